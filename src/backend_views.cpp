#include "backend_views.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"

namespace mcplb {
namespace {

using admin::BackendMode;
using admin::BackendState;
using admin::BackendView;

std::string url_of(const cluster::Backend& backend) {
  const bool v6 = backend.host().find(':') != std::string::npos;
  const std::string host = v6 ? "[" + backend.host() + "]" : backend.host();
  return (backend.https() ? "https://" : "http://") + host + ":" + std::to_string(backend.port());
}

BackendMode mode_of(cluster::Mode mode) {
  switch (mode) {
    case cluster::Mode::active: break;
    case cluster::Mode::draining: return BackendMode::draining;
    case cluster::Mode::disabled: return BackendMode::disabled;
  }
  return BackendMode::active;
}

BackendState state_of(const cluster::Backend& backend) {
  switch (backend.mode()) {
    case cluster::Mode::active: break;
    case cluster::Mode::draining: return BackendState::draining;
    case cluster::Mode::disabled: return BackendState::disabled;
  }
  if (!backend.usable()) return BackendState::down;
  if (backend.ejected(monotonic_ms())) return BackendState::ejected;
  const bool warm = backend.health().warmth.tenths() == cluster::Warmth::full;
  return warm ? BackendState::up : BackendState::starting;
}

std::optional<std::int64_t> seconds_since(TimePoint when) {
  if (when == 0) return std::nullopt;
  return (monotonic_ms() - when) / 1000;
}

admin::NamedCounts session_events_of(const proxy::SharedPool& pool) {
  admin::NamedCounts counts;
  for (std::size_t i = 0; i < static_cast<std::size_t>(session::Event::count_); ++i) {
    const auto event = static_cast<session::Event>(i);
    counts.emplace_back(to_string(event), pool.session_events.value(event));
  }
  return counts;
}

}  // namespace

cluster::Mode wanted_mode(BackendMode mode) {
  switch (mode) {
    case BackendMode::active: break;
    case BackendMode::draining: return cluster::Mode::draining;
    case BackendMode::disabled: return cluster::Mode::disabled;
  }
  return cluster::Mode::active;
}

BackendView view_of(const cluster::Backend& backend) {
  BackendView view;
  view.id = backend.name();
  view.url = url_of(backend);
  view.mode = mode_of(backend.mode());
  view.state = state_of(backend);
  view.weight = backend.weight();
  view.streams = backend.streams();
  view.in_flight = std::max<std::int64_t>(0, std::int64_t{backend.load()} - view.streams);
  view.sessions = backend.sessions();
  const cluster::HealthRecord record = backend.health().record();
  // Until the sessions have been used once more, nobody can say.
  view.suspect = backend.health().restarted_at() > 0 &&
                 monotonic_ms() - backend.health().restarted_at() < limits::suspect_for.count();
  if (record.checked_at != 0) {
    view.check = BackendView::Check{record.check_good, record.check_text};
  }
  view.last_check_seconds = seconds_since(record.checked_at);
  view.since_seconds = seconds_since(backend.healthy() ? record.up_since : record.down_since);
  return view;
}

std::vector<admin::PoolView> pool_views(const proxy::SharedState& shared,
                                        const TrafficHistory& traffic,
                                        const cluster::Registration* registration) {
  std::vector<admin::PoolView> pools;
  for (std::size_t i = 0; i < shared.pools.size(); ++i) {
    const proxy::SharedPool& pool = *shared.pools[i];
    admin::PoolView& view = pools.emplace_back();
    view.name = pool.pool.name();
    view.traffic = traffic.pool(i);
    view.session_events = session_events_of(pool);
    const auto members = pool.pool.view();
    view.balance = to_string(members->settings.balance);
    for (const cluster::Backend* backend : members->backends) {
      view.backends.push_back(view_of(*backend));
      view.backends.back().traffic = traffic.backend(backend->id());
    }
    if (registration == nullptr) continue;
    for (const cluster::Registration::Listed& listed : registration->nodes()) {
      const auto found = std::find_if(
          view.backends.begin(), view.backends.end(),
          [&listed](const BackendView& backend) { return backend.id == listed.node.id; });
      if (found == view.backends.end()) continue;
      found->name = listed.node.name;
      found->last_heartbeat_millis = listed.age.count();
    }
  }
  return pools;
}

}  // namespace mcplb
