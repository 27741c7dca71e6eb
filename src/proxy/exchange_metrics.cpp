// What is counted of an exchange.
#include "proxy/exchange.hpp"

namespace mcplb::proxy {

void Exchange::count_exchange() {
  RequestLabels labels;
  if (route_ != nullptr) labels.pool = route_->pool;
  if (backend_ != nullptr) labels.backend = backend_->id();
  labels.method = message().method;
  labels.era = message().era;
  labels.status = record_.status;
  // Streams that a client keeps open say nothing by their length.
  const bool waits_for_news = message().kind == mcp::Kind::stream ||
                              message().method == mcp::Method::subscriptions_listen;
  ExchangeTimes times;
  if (!waits_for_news && record_.status != 0) times.total = record_.total_us;
  times.overhead = overhead_us_;
  const bool broke = record_.end.who == 'S' && record_.end.when == 'D' &&
                     record_.reason == Reason::none;
  PoolMetrics* const of_pool =
      route_ == nullptr ? nullptr : &context_.pools[route_->pool]->metrics;
  context_.metrics.note_request(labels, times, broke, of_pool);
}

void Exchange::count_own_reply(Reason reason) {
  context_.metrics.note_local_reply(reason);
  if (reason == Reason::session_unknown && pool_ != nullptr) {
    count_session(session::Event::unknown);
  }
}

// After may_retry() has allowed it.
void Exchange::count_retry() {
  RetryReason reason = RetryReason::repeatable;
  if (attempt_.nothing_delivered) reason = RetryReason::undelivered;
  if (!attempt_.connected) reason = RetryReason::connect;
  pool_->metrics.retries[static_cast<std::size_t>(reason)].add();
}

StreamKind Exchange::stream_kind() const {
  if (message().era == mcp::Era::none) return StreamKind::other;
  if (message().method == mcp::Method::subscriptions_listen) return StreamKind::listen;
  if (message().kind != mcp::Kind::stream) return StreamKind::post;
  return message().session.empty() ? StreamKind::endpoint : StreamKind::get;
}

}  // namespace mcplb::proxy
