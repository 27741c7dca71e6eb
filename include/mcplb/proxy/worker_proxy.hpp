// The proxy of one worker: everything between an accepted client socket and the backends.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/published.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/net/tls.hpp"
#include "mcplb/proxy/metrics.hpp"
#include "mcplb/proxy/policy.hpp"
#include "mcplb/proxy/shared_pool.hpp"
#include "mcplb/redis/client.hpp"
#include "mcplb/redis/settings.hpp"
#include "mcplb/session/store.hpp"

namespace mcplb::proxy {

// May be read on any thread.
struct ProxyStats {
  Counter dropped_messages;  // answers and notifications for a backend that is gone
};

// What all workers read. Owned by the server; outlives them.
struct SharedState {
  Published<Policy> policy{Policy{}};    // set before the first worker is made
  net::ResolverSettings resolver;
  std::optional<redis::Settings> store;  // none: sessions live in this process only
  const net::TlsClientContext* store_tls = nullptr;  // of a store that is met with TLS
  std::string instance;                  // this balancer, in the store
  const cluster::Registry* registry = nullptr;  // the server's; null in tests
  // In the order of Policy::pools. Grows while workers run: for the control loop only.
  std::vector<std::unique_ptr<SharedPool>> pools;
  mutable std::atomic<std::size_t> connections{0};  // of the process
  mutable ProxyStats stats;
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

  // What it has counted. These two may be read on any thread.
  const WorkerMetrics& metrics() const { return metrics_; }
  // None without a store.
  struct StoreStats {
    const redis::Stats& client;
    const session::StoreTimes& times;
  };
  std::optional<StoreStats> store_stats() const;

  // Idle connections end now, others after their reply; event streams end at an event boundary,
  // spread over `streams_within`.
  void begin_stop(milliseconds streams_within);
  // The backend is drained: event streams of its sessions go on elsewhere, spread over `within`.
  void leave(const cluster::Backend& backend, milliseconds within);
  // What still waits for the backend ends, as if the connection had broken.
  void give_up(const cluster::Backend& backend);
  // The same for what stays silent for another `silence`, while the backend is marked down.
  void give_up_silent(const cluster::Backend& backend, milliseconds silence);
  // Cuts what is still open; on the worker's thread, after its loop has ended.
  void close();

 private:
  WorkerMetrics metrics_;
  std::unique_ptr<Context> context_;
  std::atomic<std::size_t> load_{0};
};

}  // namespace mcplb::proxy
