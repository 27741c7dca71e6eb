// A client that shakes hands: a job of its own, so that a slow one blocks nobody, and then a
// ClientConnection over the stream that it got.
#pragma once

#include <atomic>
#include <memory>

#include "mcplb/async/nursery.hpp"
#include "mcplb/net/tls.hpp"

#include "proxy/client_connection.hpp"

namespace mcplb::proxy {

class TlsArrival final : public Job {
 public:
  // `tls` and `worker_load` outlive this.
  TlsArrival(Context& context, std::unique_ptr<net::Stream> stream, ClientInfo client,
             const net::TlsServerContext& tls, std::atomic<std::size_t>& worker_load);

 private:
  Task<void> run() override;
  void log_failure(const Error& error) const;

  Context& context_;
  const net::TlsServerContext& tls_;
  std::atomic<std::size_t>& worker_load_;
  IdleConnection waiting_;  // a stop cuts handshakes, which are nobody's request yet
  std::unique_ptr<net::Stream> stream_;
  ClientInfo client_;
};

}  // namespace mcplb::proxy
