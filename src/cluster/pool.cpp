#include "mcplb/cluster/pool.hpp"

#include <algorithm>
#include <utility>

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

PoolView first_view(PoolSettings settings, Registry& registry) {
  PoolView view;
  for (const BackendSettings& backend : settings.backends) {
    Backend* const added = registry.add(settings.name, backend);
    if (added != nullptr) view.backends.push_back(added);
  }
  view.settings = std::move(settings);
  return view;
}

}  // namespace

Backend* PoolView::find(std::string_view backend_name) const {
  const auto found = std::find_if(backends.begin(), backends.end(), [&](const Backend* backend) {
    return backend->name() == backend_name;
  });
  return found == backends.end() ? nullptr : *found;
}

Backend* PoolView::find(BackendId id) const {
  const auto found = std::find_if(backends.begin(), backends.end(),
                                  [&](const Backend* backend) { return backend->id() == id; });
  return found == backends.end() ? nullptr : *found;
}

std::size_t PoolView::healthy_count() const {
  return static_cast<std::size_t>(std::count_if(
      backends.begin(), backends.end(), [](const Backend* backend) { return backend->healthy(); }));
}

Pool::Pool(PoolSettings settings, Registry& registry)
    : name_(settings.name),
      views_(first_view(std::move(settings), registry)) {}

Dispatcher::Dispatcher(net::Loop& loop, net::Resolver& resolver, Pool& pool,
                       const http::Settings& http)
    : loop_(loop),
      resolver_(resolver),
      pool_(pool),
      http_(http),
      view_(pool.views()),
      keepalive_(view_->settings.keepalive),
      policy_(view_->settings.balance),
      balancer_(make_balancer(policy_, pool.cursor())) {}

Dispatcher::~Dispatcher() = default;

const PoolView& Dispatcher::view() {
  loop_.assert_here();
  if (view_.refresh()) take_over_view();
  return *view_;
}

void Dispatcher::take_over_view() {
  keepalive_ = view_->settings.keepalive;
  if (view_->settings.balance != policy_) {
    policy_ = view_->settings.balance;
    balancer_ = make_balancer(policy_, pool_.cursor());
  }
  // Nobody will take what idles for a backend that is no member any more.
  for (std::size_t id = 0; id < connections_.size(); ++id) {
    if (!connections_[id] || view_->find(static_cast<BackendId>(id)) != nullptr) continue;
    connections_[id]->close_all();
  }
}

template <class Usable>
bool Dispatcher::gather(const PoolView& members, Usable usable) {
  candidates_.clear();
  for (Backend* backend : members.backends) {
    if (usable(*backend)) candidates_.push_back(backend);
  }
  return !candidates_.empty();
}

const std::vector<Backend*>& Dispatcher::rank(std::uint64_t key) {
  const PoolView& members = view();
  const TimePoint now = loop_.now();
  order_.clear();
  const auto willing = [now](const Backend& backend) {
    return backend.usable() && !backend.ejected(now) && !backend.refused_lately(now);
  };
  const auto admitted = [now](const Backend& backend) {
    return backend.usable() && !backend.ejected(now);
  };
  const auto usable = [](const Backend& backend) { return backend.usable(); };
  if (!gather(members, willing) && !gather(members, admitted) && !gather(members, usable)) {
    return order_;
  }
  for (Backend* backend : candidates_)
    backend->health().warmth.refresh(now);
  balancer_->rank(candidates_, key, order_);
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
  for (auto& connections : connections_) {
    if (connections) connections->close_all();
  }
}

ConnectionPool& Dispatcher::connections_of(Backend& backend) {
  const auto index = static_cast<std::size_t>(backend.id());
  if (index >= connections_.size()) connections_.resize(index + 1);
  auto& connections = connections_[index];
  if (!connections) {
    connections = std::make_unique<ConnectionPool>(loop_.timers(), backend, keepalive_);
  }
  return *connections;
}

}  // namespace mcplb::cluster
