// Passive health: what the requests themselves say of a backend. Many failures in a row eject it
// for a while; a good request or a good check ends that at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>

#include "mcplb/base/clock.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/settings.hpp"

namespace mcplb::cluster {

// How one try at a backend went. Only what is the backend's fault is a failure: a client that
// leaves and our own trouble are not reported at all, any other reply is good.
enum class Served : std::uint8_t {
  good,
  connect_failed,     // refused, unreachable, silent, or its TLS is not accepted
  broke_before_head,  // closed or reset before the reply's head, on a connection made for it
  bad_gateway         // 502, 503 or 504
};
const char* to_string(Served served);

// One per pool, owned by it. Thread-safe: all workers report, and the control loop its checks.
class Ejector {
 public:
  explicit Ejector(const HealthSettings& settings);

  // `members`: all backends of the pool, `backend` among them or just removed. Time is the loops'.
  void report(Backend& backend, Served served, std::span<Backend* const> members, TimePoint now) {
    if (served == Served::good && backend.health().failures() == 0) return;
    take(backend, served, members, now);
  }
  // A check that began at that time has succeeded.
  void note_good_check(Backend& backend, TimePoint began, TimePoint now);
  // Backends that are out stay out as long as they were told to.
  void set_settings(const HealthSettings& settings);

 private:
  void take(Backend& backend, Served served, std::span<Backend* const> members, TimePoint now);
  void eject(Backend& backend, Served served, std::span<Backend* const> members, TimePoint now);
  void readmit(Backend& backend, const char* reason, TimePoint now);

  std::atomic<std::uint32_t> failures_max_;  // 0: nobody is ejected
  std::mutex mutex_;                         // guards what follows, and each ejection
  PassiveSettings settings_;
  milliseconds slow_start_;
};

}  // namespace mcplb::cluster
