// One client connection: requests in order, each as an Exchange. A job of the worker's nursery;
// when the client leaves during an exchange, the job is cancelled and the exchange with it.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "mcplb/async/nursery.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/wire/request.hpp"
#include "proxy/context.hpp"
#include "proxy/exchange.hpp"
#include "proxy/local_reply.hpp"

namespace mcplb::proxy {

// Counts one connection for its worker and for the process, for as long as it lives.
class ConnectionCount {
 public:
  ConnectionCount(std::atomic<std::size_t>& worker, std::atomic<std::size_t>& process)
      : worker_(worker), process_(process) {
    worker_.fetch_add(1, std::memory_order_relaxed);
    total_ = process_.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  ~ConnectionCount() {
    worker_.fetch_sub(1, std::memory_order_relaxed);
    leave_process();
  }
  // A connection that is refused takes nobody's place while it lingers.
  void leave_process() {
    if (std::exchange(left_, true)) return;
    process_.fetch_sub(1, std::memory_order_relaxed);
  }
  ConnectionCount(const ConnectionCount&) = delete;
  ConnectionCount& operator=(const ConnectionCount&) = delete;
  // Of the process, this one included, when this one came.
  std::size_t total() const { return total_; }

 private:
  std::atomic<std::size_t>& worker_;
  std::atomic<std::size_t>& process_;
  std::size_t total_ = 0;
  bool left_ = false;
};

class ClientConnection final : public Job, private net::Stream::Watcher {
 public:
  // `worker_load` counts the worker's connections and outlives this one.
  ClientConnection(Context& context, std::unique_ptr<net::Stream> stream, ClientInfo client,
                   std::atomic<std::size_t>& worker_load);

 private:
  Task<void> run() override;
  net::Stream::MoreAwaiter next_request();
  Task<bool> serve_one();
  Task<bool> read_request(Scratch& scratch, const Result<bool>& head_taken);
  Task<void> refuse_connection();
  Task<void> refuse(Scratch& scratch, const Route* route, LocalReply reply);
  Task<void> linger();
  void on_bytes_unasked() override {}  // pipelined: read once the exchange is over
  void on_peer_gone() override { cancel_soon(); }

  Context& context_;
  std::unique_ptr<net::Stream> stream_;
  ClientInfo client_;
  wire::RequestReader reader_;
  ConnectionCount count_;
  IdleConnection idle_;
};

}  // namespace mcplb::proxy
