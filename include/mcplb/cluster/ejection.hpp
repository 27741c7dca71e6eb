// Passive health: what the requests themselves say of a backend. Many failures in a row eject it
// for a while; a good request or a good check ends that at once.
#pragma once

#include <cstdint>
#include <mutex>

#include "mcplb/base/clock.hpp"
#include "mcplb/cluster/backend.hpp"

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

struct PoolView;

// One per pool, owned by it. Thread-safe: all workers report, and the control loop its checks.
class Ejector {
 public:
  // `view`: the settings that hold, and the members. Time is the loops'.
  void report(Backend& backend, Served served, const PoolView& view, TimePoint now);
  // A check that began at that time has succeeded.
  void note_good_check(Backend& backend, TimePoint began, const PoolView& view, TimePoint now);

 private:
  void eject(Backend& backend, Served served, const PoolView& view, TimePoint now);
  void readmit(Backend& backend, const char* reason, milliseconds slow_start, TimePoint now);

  std::mutex mutex_;  // guards each ejection and readmission
};

}  // namespace mcplb::cluster
