#include "mcplb/cluster/lease.hpp"

#include <algorithm>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::cluster {

// A connection that waits to be used again. Every callback ends in drop(), which destroys this.
class ConnectionPool::Idle final : private net::Stream::Watcher, private net::Timer {
 public:
  Idle(ConnectionPool& home, std::unique_ptr<Connection> connection, milliseconds horizon)
      : home_(home),
        connection_(std::move(connection)),
        since_(home.timers_.now()) {
    connection_->stream->watch(this);
    home_.timers_.arm(*this, home_.timers_.in(horizon));
  }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;

  milliseconds idled() const { return milliseconds(home_.timers_.now() - since_); }
  std::unique_ptr<Connection> release() {
    disarm();
    connection_->stream->watch(nullptr);
    return std::move(connection_);
  }

 private:
  // Bytes that nobody asked for would be taken for the reply to the next request.
  void on_bytes_unasked() override { home_.drop(*this); }
  void on_peer_gone() override {
    home_.backend_.note_idle_close(idled(), home_.timers_.now());
    home_.drop(*this);
  }
  void on_timer() override { home_.drop(*this); }

  ConnectionPool& home_;
  std::unique_ptr<Connection> connection_;
  TimePoint since_;
};

void Lease::keep() {
  if (!connection_) return;
  connection_->replies.start_next();
  home_->put(std::move(connection_));
}

ConnectionPool::ConnectionPool(net::Timers& timers, Backend& backend,
                               const KeepaliveSettings& settings)
    : timers_(timers),
      backend_(backend),
      settings_(settings) {}

ConnectionPool::~ConnectionPool() = default;

std::unique_ptr<Connection> ConnectionPool::take() {
  const TimePoint now = timers_.now();
  while (!idle_.empty()) {
    const std::unique_ptr<Idle> idle = std::move(idle_.back());
    idle_.pop_back();
    const milliseconds idled = idle->idled();
    std::unique_ptr<Connection> connection = idle->release();
    // The horizon may have come nearer since its timer was armed.
    if (idled >= backend_.idle_horizon(settings_.idle, now)) continue;
    if (idled < limits::lease_trust || connection->stream->is_quiet()) return connection;
    // Something waits in the socket, nearly always the end.
    backend_.note_idle_close(idled, now);
  }
  return nullptr;
}

void ConnectionPool::put(std::unique_ptr<Connection> connection) {
  const net::Stream& stream = *connection->stream;
  if (stream.end() || !stream.unread().empty()) return;
  const milliseconds horizon = backend_.idle_horizon(settings_.idle, timers_.now());
  if (horizon <= milliseconds(0) || settings_.max_idle_per_backend <= 0) return;
  connection->reused = true;
  if (idle_.size() >= static_cast<std::size_t>(settings_.max_idle_per_backend)) {
    count_limit_hit(Limit::idle_connections);
    idle_.erase(idle_.begin());
  }
  idle_.push_back(std::make_unique<Idle>(*this, std::move(connection), horizon));
}

void ConnectionPool::close_all() {
  idle_.clear();
}

void ConnectionPool::drop(Idle& idle) {
  const auto found = std::find_if(idle_.begin(), idle_.end(),
                                  [&](const auto& candidate) { return candidate.get() == &idle; });
  const std::unique_ptr<Idle> last_owner = std::move(*found);
  idle_.erase(found);
}

}  // namespace mcplb::cluster
