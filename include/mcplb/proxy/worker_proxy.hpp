// The proxy of one worker: everything between an accepted client socket and the backends.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/net/tls.hpp"
#include "mcplb/proxy/router.hpp"
#include "mcplb/proxy/settings.hpp"
#include "mcplb/redis/settings.hpp"
#include "mcplb/session/directory.hpp"
#include "mcplb/session/settings.hpp"
#include "mcplb/session/store.hpp"
#include "mcplb/session/tombstones.hpp"

namespace mcplb::proxy {

// One pool and its sessions, shared by all workers. Owned by the server.
struct SharedPool {
  SharedPool(cluster::PoolSettings cluster, session::Settings session_settings,
             ForwardSettings forward_settings, cluster::Registry& registry)
      : pool(std::move(cluster), registry),
        session(session_settings),
        forward(forward_settings),
        sessions(registry),
        endpoint_sessions(registry),
        tombstones(session_settings.idle_timeout),
        store_scope{pool.name(), session_settings.idle_timeout} {}

  mutable cluster::Pool pool;  // its cursor and backends are atomics
  session::Settings session;
  ForwardSettings forward;
  mutable session::Directory sessions;
  mutable session::Directory endpoint_sessions;  // of the 2024-11-05 transport
  mutable session::Tombstones tombstones;        // of sealed sessions
  session::StoreScope store_scope;
};

// What all workers read. Owned by the server; immutable once they run.
struct SharedState {
  SharedState(ClientSettings client_settings, http::Settings http_settings,
              std::vector<Route> routes);

  ClientSettings client;
  http::Settings http;
  Router router;
  net::Networks trusted;  // of client.trusted_proxies
  net::ResolverSettings resolver;
  std::vector<std::string> secrets;  // of seals and bindings; one at least once workers run
  std::optional<redis::Settings> store;  // none: sessions live in this process only
  const net::TlsClientContext* store_tls = nullptr;  // of a store that is met with TLS
  std::string instance;                  // this balancer, in the store
  std::vector<std::unique_ptr<SharedPool>> pools;
  mutable std::atomic<std::size_t> connections{0};  // of the process
};

// Where clients connect, as the workers know it. Owned by the server.
struct Listener {
  std::string name;
  std::unique_ptr<net::TlsServerContext> tls;  // null: plain HTTP
};

struct Context;

// Owned by its worker thread, used on that thread's loop only, but for load().
class WorkerProxy {
 public:
  WorkerProxy(net::Loop& loop, const SharedState& shared);
  ~WorkerProxy();
  WorkerProxy(const WorkerProxy&) = delete;
  WorkerProxy& operator=(const WorkerProxy&) = delete;

  // On the worker's loop, before the first connection.
  void start();
  // Takes over an accepted socket. `listener` outlives the proxy.
  void serve(const net::Acceptor::Accepted& accepted, const Listener& listener);
  // Client connections and open event streams. Thread-safe.
  std::size_t load() const { return load_.load(std::memory_order_relaxed); }

  // Idle connections end now, others after their reply; event streams end at an event boundary,
  // spread over `streams_within`.
  void begin_stop(milliseconds streams_within);
  // Cuts what is still open; on the worker's thread, after its loop has ended.
  void close();

 private:
  std::unique_ptr<Context> context_;
  std::atomic<std::size_t> load_{0};
};

}  // namespace mcplb::proxy
