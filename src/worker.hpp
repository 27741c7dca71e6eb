// One worker: a thread, its loop, and the proxy that serves the connections handed to it.
#pragma once

#include <atomic>
#include <functional>
#include <cstddef>
#include <string>
#include <thread>

#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/proxy/worker_proxy.hpp"

namespace mcplb {

// Owned by the server; all methods are for the control thread.
class Worker {
 public:
  explicit Worker(const proxy::SharedState& shared);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  // Hands an accepted socket over. `listener` outlives the worker.
  void hand_over(net::Acceptor::Accepted accepted, const proxy::Listener& listener);
  // Connections and open streams, those on their way included.
  std::size_t load() const { return on_their_way_.load(std::memory_order_relaxed) + proxy_.load(); }
  // For what may be read on any thread.
  const proxy::WorkerProxy& proxy() const { return proxy_; }
  // Calls `what` with the proxy, on the worker's loop, soon.
  void tell(std::function<void(proxy::WorkerProxy&)> what);
  // Ends the loop and waits for the thread; what is still open is cut.
  void stop();

 private:
  net::Loop loop_;
  proxy::WorkerProxy proxy_;
  std::atomic<std::size_t> on_their_way_{0};
  std::thread thread_;
};

// `auto` workers: the cores that this process may use, by affinity and by cgroup quota.
int usable_cores();

}  // namespace mcplb
