#include "mcplb/cluster/lease.hpp"

#include <algorithm>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::cluster {

// Looks after a connection while it waits to be used again. Every callback ends in drop(), which
// destroys the connection and this with it.
class IdleWatch final : private net::Stream::Watcher, private net::Timer {
 public:
  IdleWatch(ConnectionPool& home, Connection& connection) : home_(home), connection_(connection) {}
  IdleWatch(const IdleWatch&) = delete;
  IdleWatch& operator=(const IdleWatch&) = delete;

  void begin(milliseconds horizon) {
    since_ = home_.timers_.now();
    connection_.stream->watch(this);
    home_.timers_.arm(*this, home_.timers_.in(horizon));
  }
  // Returns how long the connection idled.
  milliseconds end() {
    disarm();
    connection_.stream->watch(nullptr);
    return idled();
  }

 private:
  milliseconds idled() const { return milliseconds(home_.timers_.now() - since_); }
  // Bytes that nobody asked for would be taken for the reply to the next request.
  void on_bytes_unasked() override { home_.drop(connection_); }
  void on_peer_gone() override {
    home_.backend_.note_idle_close(idled(), home_.timers_.now());
    home_.drop(connection_);
  }
  void on_timer() override { home_.drop(connection_); }

  ConnectionPool& home_;
  Connection& connection_;
  TimePoint since_ = 0;
};

Connection::Connection(std::unique_ptr<net::Stream> connected, const http::Settings& http)
    : stream(std::move(connected)),
      replies(*stream, http) {}
Connection::~Connection() = default;

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
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    const milliseconds idled = connection->idle_watch->end();
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
  if (stream.end() || !stream.unread().empty() || stream.write_pending()) return;
  const milliseconds horizon = backend_.idle_horizon(settings_.idle, timers_.now());
  if (horizon <= milliseconds(0) || settings_.max_idle_per_backend <= 0) return;
  connection->reused = true;
  if (idle_.size() >= static_cast<std::size_t>(settings_.max_idle_per_backend)) {
    count_limit_hit(Limit::idle_connections);
    idle_.erase(idle_.begin());
  }
  if (!connection->idle_watch) {
    connection->idle_watch = std::make_unique<IdleWatch>(*this, *connection);
  }
  connection->idle_watch->begin(horizon);
  idle_.push_back(std::move(connection));
}

void ConnectionPool::close_all() {
  idle_.clear();
}

void ConnectionPool::drop(const Connection& idle) {
  const auto found = std::find_if(idle_.begin(), idle_.end(),
                                  [&](const auto& candidate) { return candidate.get() == &idle; });
  const std::unique_ptr<Connection> last_owner = std::move(*found);
  idle_.erase(found);
}

}  // namespace mcplb::cluster
