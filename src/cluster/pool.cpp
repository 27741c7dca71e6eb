#include "mcplb/cluster/pool.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/log_budget.hpp"

namespace mcplb::cluster {
namespace {

// Each request would say so again.
LogBudget& tls_failure_lines() {
  static LogBudget budget(limits::tls_failure_lines_per_second);
  return budget;
}

}  // namespace

Pool::Pool(PoolSettings settings, Registry& registry) : settings_(std::move(settings)) {
  backends_.reserve(settings_.backends.size());
  for (const BackendSettings& backend : settings_.backends) {
    backends_.push_back(&registry.add(settings_.name, backend));
  }
}

Backend* Pool::find(std::string_view backend_name) const {
  const auto found = std::find_if(backends_.begin(), backends_.end(), [&](const Backend* backend) {
    return backend->name() == backend_name;
  });
  return found == backends_.end() ? nullptr : *found;
}

bool Pool::contains(BackendId id) const {
  return std::any_of(backends_.begin(), backends_.end(),
                     [&](const Backend* backend) { return backend->id() == id; });
}

std::size_t Pool::healthy_count() const {
  return static_cast<std::size_t>(
      std::count_if(backends_.begin(), backends_.end(),
                    [](const Backend* backend) { return backend->healthy(); }));
}

Dispatcher::Dispatcher(net::Loop& loop, net::Resolver& resolver, Pool& pool,
                       const http::Settings& http)
    : loop_(loop),
      resolver_(resolver),
      pool_(pool),
      http_(http),
      balancer_(make_balancer(pool.settings().balance, pool.cursor())) {
  const std::size_t count = pool.backends().size();
  candidates_.reserve(count);
  order_.reserve(count);
  connections_.reserve(count);
  for (Backend* backend : pool.backends()) {
    connections_.push_back(
        std::make_unique<ConnectionPool>(loop.timers(), *backend, pool.settings().keepalive));
  }
}

Dispatcher::~Dispatcher() = default;

const std::vector<Backend*>& Dispatcher::rank(std::uint64_t key) {
  loop_.assert_here();
  const TimePoint now = loop_.now();
  candidates_.clear();
  order_.clear();
  for (Backend* backend : pool_.backends()) {
    if (backend->healthy() && !backend->refused_lately(now)) candidates_.push_back(backend);
  }
  if (candidates_.empty()) {
    for (Backend* backend : pool_.backends()) {
      if (backend->healthy()) candidates_.push_back(backend);
    }
  }
  if (!candidates_.empty()) balancer_->rank(candidates_, key, order_);
  return order_;
}

Lease Dispatcher::take_idle(Backend& backend) {
  loop_.assert_here();
  ConnectionPool& home = connections_of(backend);
  return {home, home.take()};
}

Task<Result<Lease>> Dispatcher::connect(Backend& backend, Deadline deadline) {
  loop_.assert_here();
  auto stream =
      co_await net::connect_host(loop_, resolver_, backend.host(), backend.port(), deadline);
  if (!stream) {
    // Our own trouble (no file descriptors, say) is no reason to avoid the backend.
    if (stream.error().side == Error::Side::backend) backend.note_refused(loop_.now());
    co_return stream.error();
  }
  if (backend.tls() != nullptr) {
    auto secured = co_await net::tls_connect(loop_, *std::move(stream), *backend.tls(),
                                             backend.tls_name(), deadline);
    if (!secured) {
      note_tls_failure(backend, secured.error());
      co_return secured.error();
    }
    stream = std::move(secured);
  }
  backend.note_connected();
  co_return Lease(connections_of(backend), std::make_unique<Connection>(*std::move(stream), http_));
}

// The access log only knows that the backend could not be reached; why is for the operator to mend.
void Dispatcher::note_tls_failure(Backend& backend, const Error& error) {
  backend.note_refused(loop_.now());
  const auto left_out = tls_failure_lines().grant(loop_.now());
  if (!left_out) return;
  log::event(LogLevel::warn, "backend_tls_failed", "pool", backend.pool(), "backend",
             backend.name(), "reason", error.what, "lines_left_out", *left_out);
}

void Dispatcher::close_idle() {
  loop_.assert_here();
  for (auto& connections : connections_)
    connections->close_all();
}

ConnectionPool& Dispatcher::connections_of(const Backend& backend) {
  const auto& backends = pool_.backends();
  const auto found = std::find(backends.begin(), backends.end(), &backend);
  MCPLB_ASSERT(found != backends.end());
  return *connections_[static_cast<std::size_t>(found - backends.begin())];
}

}  // namespace mcplb::cluster
