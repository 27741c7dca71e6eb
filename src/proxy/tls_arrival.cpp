#include "proxy/tls_arrival.hpp"

#include <optional>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/log_budget.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::proxy {
namespace {

LogBudget& failure_lines() {
  static LogBudget budget(limits::tls_failure_lines_per_second);
  return budget;
}

}  // namespace

TlsArrival::TlsArrival(Context& context, std::unique_ptr<net::Stream> stream, ClientInfo client,
                       const net::TlsServerContext& tls, std::atomic<std::size_t>& worker_load)
    : context_(context),
      tls_(tls),
      worker_load_(worker_load),
      waiting_(*stream),
      stream_(std::move(stream)),
      client_(std::move(client)) {}

Task<void> TlsArrival::run() {
  std::optional<ConnectionCount> count;
  count.emplace(worker_load_, context_.shared.connections);
  // A handshake costs more than the answer that it would carry.
  if (count->total() > context_.client.client_connections_max) {
    count_limit_hit(Limit::client_connections);
    co_return;
  }
  context_.idle_connections.push_back(waiting_);
  const Deadline deadline = context_.loop.timers().in(limits::tls_handshake);
  auto secured = co_await net::tls_accept(context_.loop, std::move(stream_), tls_, deadline);
  waiting_.unlink();
  if (!secured) {
    log_failure(secured.error());
    co_return;
  }
  count.reset();
  context_.nursery.spawn(std::make_unique<ClientConnection>(context_, *std::move(secured),
                                                            std::move(client_), worker_load_));
}

void TlsArrival::log_failure(const Error& error) const {
  // Probes of load balancers connect and leave.
  const bool silent = error.kind == Error::Kind::closed;
  if (silent || error.kind == Error::Kind::interrupted) return;
  const auto left_out = failure_lines().grant(context_.loop.now());
  if (!left_out) return;
  log::event(LogLevel::info, "tls_handshake_failed", "listener", client_.listener, "client",
             client_.ip, "reason", error.what, "lines_left_out", *left_out);
}

}  // namespace mcplb::proxy
