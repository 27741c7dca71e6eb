// The replicas of one MCP server. `Pool` is shared by all threads and immutable but for its
// backends' atomics; `Dispatcher` is one worker's way to them: its balancer and its connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/async/task.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/balancer.hpp"
#include "mcplb/cluster/ejection.hpp"
#include "mcplb/cluster/lease.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"

namespace mcplb::cluster {

// Owned by the server.
class Pool {
 public:
  Pool(PoolSettings settings, Registry& registry);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const PoolSettings& settings() const { return settings_; }
  const std::string& name() const { return settings_.name; }
  const std::vector<Backend*>& backends() const { return backends_; }
  Backend* find(std::string_view backend_name) const;
  bool contains(BackendId id) const;
  std::atomic<std::uint64_t>& cursor() { return cursor_; }
  std::size_t healthy_count() const;
  Ejector& ejector() { return ejector_; }

 private:
  PoolSettings settings_;
  std::vector<Backend*> backends_;  // owned by the registry
  std::atomic<std::uint64_t> cursor_{0};
  Ejector ejector_;
};

// Owned by a worker, used on its loop only.
class Dispatcher {
 public:
  Dispatcher(net::Loop& loop, net::Resolver& resolver, Pool& pool, const http::Settings& http);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  Pool& pool() { return pool_; }
  // The usable backends, best first; empty when none is. Those that refused a connection lately
  // come only when nothing else is left, and after them those that are ejected. The view ends with
  // the next call.
  const std::vector<Backend*>& rank(std::uint64_t key);
  // How a try at a backend went. Costs one load while all goes well.
  void report(Backend& backend, Served served);

  // An idle connection that can be trusted, if there is one.
  Lease take_idle(Backend& backend);
  // A new connection. Marks the backend when it refuses.
  Task<Result<Lease>> connect(Backend& backend, Deadline deadline);
  // Closes every idle connection, for a stop.
  void close_idle();

 private:
  net::Loop& loop_;
  net::Resolver& resolver_;
  Pool& pool_;
  const http::Settings& http_;
  std::unique_ptr<Balancer> balancer_;
  std::vector<Backend*> candidates_;
  std::vector<Backend*> order_;
  std::vector<std::unique_ptr<ConnectionPool>> connections_;  // in the order of pool().backends()

  template <class Usable>
  bool gather(Usable usable);
  ConnectionPool& connections_of(const Backend& backend);
  void note_tls_failure(Backend& backend, const Error& error);
};

}  // namespace mcplb::cluster
