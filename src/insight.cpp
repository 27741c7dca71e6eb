#include "insight.hpp"

#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/metrics.hpp"
#include "metrics_page.hpp"

namespace mcplb {

Insight::Insight(Parts parts) : parts_(parts) {
  log::set_listener([this](LogLevel level, std::string_view event, std::string_view fields) {
    timeline_.hear(level, event, fields, monotonic_ms());
  });
}

Insight::~Insight() { log::set_listener({}); }

void Insight::start(Nursery& nursery) {
  look_at_traffic();
  nursery.spawn(watch_traffic());
}

Task<void> Insight::watch_traffic() {
  while (true) {
    const Deadline next = parts_.loop.timers().in(limits::traffic_look);
    co_await parts_.loop.timers().sleep(next);
    look_at_traffic();
  }
}

void Insight::look_at_traffic() {
  std::vector<const proxy::WorkerMetrics*> workers;
  for (const auto& worker : parts_.workers) workers.push_back(&worker->proxy().metrics());
  std::vector<BackendId> members;
  for (const auto& pool : parts_.shared.pools) {
    const auto view = pool->pool.view();
    for (const cluster::Backend* backend : view->backends) members.push_back(backend->id());
  }
  traffic_.sample(workers, members, parts_.loop.now());
}

admin::ActivityView Insight::activity() const {
  admin::ActivityView view;
  append_utc_time(view.time);
  view.client_connections = parts_.shared.connections.load(std::memory_order_relaxed);
  view.workers = parts_.workers.size();
  view.traffic = traffic_.process();
  for (std::size_t i = 1; i < static_cast<std::size_t>(proxy::Reason::count_); ++i) {
    std::uint64_t count = 0;
    for (const auto& worker : parts_.workers)
      count += worker->proxy().metrics().local_replies[i].value();
    const auto reason = static_cast<proxy::Reason>(i);
    if (count > 0) view.local_replies.emplace_back(to_string(reason), count);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(Limit::count_); ++i) {
    const auto limit = static_cast<Limit>(i);
    if (limit_hits(limit) > 0) view.limit_hits.emplace_back(to_string(limit), limit_hits(limit));
  }
  view.timeline = timeline_.newest_first();
  return view;
}

std::string Insight::metrics(const SessionUpkeep* upkeep) const {
  MetricsSources sources{parts_.shared, parts_.registry, {}, nullptr, nullptr,
                         parts_.reloads.counts()};
  for (const auto& worker : parts_.workers) sources.workers.push_back(&worker->proxy());
  if (upkeep != nullptr && upkeep->client() != nullptr) {
    sources.store_client = &upkeep->client()->stats();
    sources.store_times = &upkeep->store()->times();
  }
  return metrics_page(sources);
}

}  // namespace mcplb
