#include "backend_views.hpp"

#include <algorithm>
#include <string>
#include <utility>

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

}  // namespace

BackendView view_of(const cluster::Backend& backend) {
  BackendView view;
  view.id = backend.name();
  view.url = url_of(backend);
  view.state = backend.healthy() ? BackendState::up : BackendState::down;
  view.weight = backend.weight();
  view.streams = backend.streams();
  view.in_flight = std::max<std::int64_t>(0, backend.load() - view.streams);
  view.sessions = backend.sessions();
  return view;
}

std::vector<admin::PoolView> pool_views(const proxy::SharedState& shared,
                                        const cluster::Registration* registration) {
  std::vector<admin::PoolView> pools;
  for (const auto& pool : shared.pools) {
    admin::PoolView& view = pools.emplace_back();
    view.name = pool->pool.name();
    for (const cluster::Backend* backend : pool->pool.backends())
      view.backends.push_back(view_of(*backend));
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
