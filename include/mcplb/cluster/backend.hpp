// One replica as everybody sees it: its name, its state and its load. Shared by all threads;
// what changes is atomic. Lives as long as the process, so that references stay good.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/ids.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/cluster/backend_health.hpp"
#include "mcplb/cluster/settings.hpp"
#include "mcplb/net/tls.hpp"

namespace mcplb::cluster {

// What the operator, or whoever names the backends, wants of one.
enum class Mode : std::uint8_t {
  active,
  draining,  // no new sessions; those that it has leave it
  disabled   // nothing at all
};
std::string_view to_string(Mode mode);

class Backend {
 public:
  Backend(BackendId id, std::string_view pool, const BackendSettings& settings)
      : id_(id), pool_(pool), settings_(settings), weight_(settings.weight) {}
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  BackendId id() const { return id_; }
  const std::string& name() const { return settings_.id; }
  const std::string& pool() const { return pool_; }
  const std::string& host() const { return settings_.host; }
  std::uint16_t port() const { return settings_.port; }
  std::uint32_t weight() const { return weight_.load(std::memory_order_relaxed); }
  void set_weight(std::uint32_t weight) { weight_.store(weight, std::memory_order_relaxed); }
  bool https() const { return settings_.https; }
  // The name or address that its certificate is for, and that requests of our own name in `Host`.
  const std::string& tls_name() const {
    return settings_.tls_name.empty() ? settings_.host : settings_.tls_name;
  }
  const net::TlsClientSettings& tls_settings() const { return settings_.tls; }
  // The Host that a client of its URL would send; for one behind a name in DNS, with that name.
  std::string authority() const;
  // How to meet it; null without https. Set once, before a pool has it among its members.
  const net::TlsClientContext* tls() const { return tls_; }
  void set_tls(const net::TlsClientContext* tls) { tls_ = tls; }

  // Whether `settings` mean this very replica. Its weight may differ.
  bool is_same(const BackendSettings& settings) const;

  Mode mode() const { return mode_.load(std::memory_order_relaxed); }
  void set_mode(Mode mode) { mode_.store(mode, std::memory_order_relaxed); }

  // It has left its pool so long ago, and has not come back.
  bool gone_for(milliseconds time, TimePoint now) const {
    const TimePoint since = gone_since_.load(std::memory_order_relaxed);
    return since != 0 && now - since >= time.count();
  }
  // 0: it is a member.
  void set_gone_since(TimePoint since) { gone_since_.store(since, std::memory_order_relaxed); }

  // May be given what no session binds to another.
  bool usable() const { return healthy() && mode() == Mode::active && !silent(); }
  // Active health says it answers. True until `fall` checks have failed.
  bool healthy() const { return healthy_.load(std::memory_order_relaxed); }
  void set_healthy(bool healthy) { healthy_.store(healthy, std::memory_order_relaxed); }
  // Its own sessions may go on there. Checks take their time to see that one is back: that a
  // session could be opened since the last bad one began says more.
  bool keeps_sessions() const { return healthy() || health_.opened_since_bad_check(); }

  // Checks, failed requests, slow start.
  BackendHealth& health() { return health_; }
  const BackendHealth& health() const { return health_; }
  // Failed requests took it out: it gets new work only as a last resort.
  bool ejected(TimePoint now) const { return health_.ejected(now); }
  // What balancers share out by: the weight in tenths, less than all of it in slow start.
  std::uint32_t share() const { return weight() * health_.warmth.tenths(); }
  // It announced itself, and has said nothing for too long.
  bool silent() const { return silent_.load(std::memory_order_relaxed); }
  void set_silent(bool silent) { silent_.store(silent, std::memory_order_relaxed); }

  // It refused a connection a moment ago: skipped while others are usable.
  bool refused_lately(TimePoint now) const {
    return now < refused_until_.load(std::memory_order_relaxed);
  }
  void note_refused(TimePoint now) {
    refused_until_.store(now + limits::refused_skip.count(), std::memory_order_relaxed);
  }
  void note_connected() { refused_until_.store(0, std::memory_order_relaxed); }

  // Requests waiting for their reply and event streams that are open: what it is busy with.
  std::uint32_t load() const { return load_.load(std::memory_order_relaxed); }
  // Of these, the event streams.
  std::uint32_t streams() const { return streams_.load(std::memory_order_relaxed); }
  std::int64_t sessions() const { return sessions_.load(std::memory_order_relaxed); }
  void add_session(int count) { sessions_.fetch_add(count, std::memory_order_relaxed); }

  // How long an idle connection to it may be trusted. The smallest of the operator's setting, the
  // backend's own `Keep-Alive: timeout=N`, and what its own closing of idle connections taught;
  // the lesson fades, doubling every ten seconds.
  milliseconds idle_horizon(milliseconds setting, TimePoint now) const;
  void note_keep_alive_hint(std::uint64_t seconds);
  void note_idle_close(milliseconds idled, TimePoint now);

 private:
  friend class LoadShare;

  const BackendId id_;
  const std::string pool_;
  const BackendSettings settings_;
  std::atomic<std::uint32_t> weight_;
  std::atomic<Mode> mode_{Mode::active};
  std::atomic<TimePoint> gone_since_{0};
  const net::TlsClientContext* tls_ = nullptr;  // the server's
  std::atomic<bool> healthy_{true};
  BackendHealth health_;
  std::atomic<bool> silent_{false};
  std::atomic<TimePoint> refused_until_{0};
  std::atomic<std::uint32_t> load_{0};
  std::atomic<std::uint32_t> streams_{0};
  std::atomic<std::int64_t> sessions_{0};
  std::atomic<std::int64_t> hint_ms_{0};     // 0: no hint seen
  std::atomic<std::int64_t> learned_ms_{0};  // 0: nothing learned
  std::atomic<TimePoint> learned_at_{0};
};

// Counts one exchange into a backend's load for as long as it lives.
class LoadShare {
 public:
  LoadShare() = default;
  explicit LoadShare(Backend& backend) : backend_(&backend) {
    backend_->load_.fetch_add(1, std::memory_order_relaxed);
  }
  LoadShare(LoadShare&& other) noexcept : backend_(other.backend_), stream_(other.stream_) {
    other.backend_ = nullptr;
  }
  LoadShare& operator=(LoadShare&& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(stream_, other.stream_);
    return *this;
  }
  LoadShare(const LoadShare&) = delete;
  LoadShare& operator=(const LoadShare&) = delete;
  ~LoadShare() {
    if (backend_ == nullptr) return;
    backend_->load_.fetch_sub(1, std::memory_order_relaxed);
    if (stream_) backend_->streams_.fetch_sub(1, std::memory_order_relaxed);
  }
  // The exchange has become an event stream. Once, and only with a backend.
  void becomes_stream() {
    stream_ = true;
    backend_->streams_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  Backend* backend_ = nullptr;
  bool stream_ = false;
};

// Every backend that was ever configured. Owned by the server; thread-safe.
class Registry {
 public:
  // The same pool, id and address give the same Backend for the life of the process, with the
  // weight that was given last. Null when limits::backends_known_max is reached.
  Backend* add(std::string_view pool, const BackendSettings& settings);
  // Null for BackendId::none and ids that were never given out. Lock-free.
  Backend* find(BackendId id) const;

 private:
  std::mutex mutex_;  // guards adding
  std::vector<std::unique_ptr<Backend>> owned_;
  std::array<std::atomic<Backend*>, limits::backends_known_max + 1> by_id_{};
};

}  // namespace mcplb::cluster
