// One worker: a thread, its loop, and the proxy that serves the connections handed to it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/redis/client.hpp"

namespace mcplb {

// Owned by the server; all methods are for the control thread.
class Worker {
 public:
  Worker(const proxy::SharedState& shared, const std::optional<redis::Settings>& store);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  // Hands an accepted socket over. `listener` outlives the worker.
  void hand_over(net::Acceptor::Accepted accepted, const proxy::Listener& listener);
  // Connections and open streams, those on their way included.
  std::size_t load() const { return on_their_way_.load(std::memory_order_relaxed) + proxy_.load(); }
  void begin_stop(milliseconds streams_within);
  // Ends the loop and waits for the thread; what is still open is cut.
  void stop();

 private:
  // The connection to the shared store, used on this worker's loop only.
  struct Store {
    Store(net::Loop& loop, const redis::Settings& settings)
        : resolver(loop),
          connector(loop, resolver),
          client(loop.timers(), loop, connector, settings) {}
    net::Resolver resolver;
    redis::NetConnector connector;
    redis::Client client;
  };

  net::Loop loop_;
  std::unique_ptr<Store> store_;  // none without a store, and once the thread has ended
  proxy::WorkerProxy proxy_;
  std::atomic<std::size_t> on_their_way_{0};
  std::thread thread_;
};

// `auto` workers: the cores that this process may use, by affinity and by cgroup quota.
int usable_cores();

}  // namespace mcplb
