// Borrowed backend connections, and the idle ones kept for the next borrower. Per worker.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/wire/reply_reader.hpp"

namespace mcplb::cluster {

class ConnectionPool;
class IdleWatch;

// One connection to a backend. Owned by a Lease or, while idle, by its pool.
struct Connection {
  Connection(std::unique_ptr<net::Stream> connected, const http::Settings& http);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::unique_ptr<net::Stream> stream;
  wire::ReplyReader replies;
  bool reused = false;                    // it has served a request before
  std::unique_ptr<IdleWatch> idle_watch;  // made when it first idles; acts only meanwhile
};

// Destroyed = closed: keeping the connection is what a clean end asks for with keep().
class Lease {
 public:
  Lease() = default;
  Lease(ConnectionPool& home, std::unique_ptr<Connection> connection)
      : home_(&home), connection_(std::move(connection)) {}

  explicit operator bool() const { return connection_ != nullptr; }
  Connection* operator->() { return connection_.get(); }
  const Connection* operator->() const { return connection_.get(); }
  Connection& operator*() { return *connection_; }
  // Gives the connection back for reuse; the lease is empty afterwards.
  void keep();
  void close() { connection_.reset(); }

 private:
  ConnectionPool* home_ = nullptr;  // the worker's; outlives every lease of that worker
  std::unique_ptr<Connection> connection_;
};

// The idle connections to one backend, the warmest taken first. We are the side that closes: after
// the backend's idle horizon, before its own clock runs out.
class ConnectionPool {
 public:
  ConnectionPool(net::Timers& timers, Backend& backend, const KeepaliveSettings& settings);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // Empty when there is none that can be trusted.
  std::unique_ptr<Connection> take();
  void put(std::unique_ptr<Connection> connection);
  void close_all();
  std::size_t size() const { return idle_.size(); }

 private:
  friend class IdleWatch;
  void drop(const Connection& idle);

  net::Timers& timers_;
  Backend& backend_;
  const KeepaliveSettings& settings_;
  std::vector<std::unique_ptr<Connection>> idle_;  // the most recently used last
};

}  // namespace mcplb::cluster
