#include "pool_upkeep.hpp"

#include <algorithm>
#include <utility>

namespace mcplb {

PoolUpkeep::PoolUpkeep(Parts parts, const net::ResolverSettings& servers)
    : parts_(std::move(parts)),
      discovery_(parts_.loop, servers, parts_.membership, parts_.nursery) {}

void PoolUpkeep::add(cluster::Pool& pool) {
  cluster::HealthEvents events;
  events.on_down = [this, &pool](cluster::Backend& backend) { on_down(pool, backend); };
  Kept& kept = pools_.emplace_back(Kept{&pool, nullptr});
  kept.checks = std::make_unique<cluster::HealthChecks>(parts_.loop, parts_.resolver, pool,
                                                        std::move(events));
  kept.checks->sync();
  discovery_.follow(pool.name(), pool.view()->settings.dns);
}

void PoolUpkeep::members_changed(const cluster::Pool& pool) {
  for (Kept& kept : pools_) {
    if (kept.pool == &pool) kept.checks->sync();
  }
}

void PoolUpkeep::settings_changed(const config::Settings& settings) {
  for (Kept& kept : pools_) {
    kept.checks->sync();
    const config::PoolSettings* const pool = settings.pool(kept.pool->name());
    discovery_.follow(kept.pool->name(), pool == nullptr ? std::vector<cluster::DnsSettings>()
                                                         : pool->cluster.dns);
  }
}

void PoolUpkeep::begin_stop() {
  for (Kept& kept : pools_) kept.checks->begin_stop();
}

bool PoolUpkeep::stopped() const {
  return std::all_of(pools_.begin(), pools_.end(),
                     [](const Kept& kept) { return kept.checks->stopped(); });
}

// What waits for it would wait for as long as it may: until its head timeout, or for ever.
void PoolUpkeep::on_down(const cluster::Pool& pool, const cluster::Backend& backend) {
  const milliseconds silence = pool.view()->settings.health.timeout;
  parts_.tell_workers([&backend, silence](proxy::WorkerProxy& worker) {
    worker.give_up_silent(backend, silence);
  });
}

}  // namespace mcplb
