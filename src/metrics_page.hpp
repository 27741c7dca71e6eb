// GET /metrics: everything that is counted, for Prometheus.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/redis/client.hpp"
#include "mcplb/session/store.hpp"
#include "reload.hpp"

namespace mcplb {

// Where the figures are. All may be read on the control loop while workers count.
struct MetricsSources {
  const proxy::SharedState& shared;
  const cluster::Registry& registry;
  std::vector<const proxy::WorkerProxy*> workers;
  // The control loop's own; null without a store.
  const redis::Stats* store_client = nullptr;
  const session::StoreTimes* store_times = nullptr;
  const ReloadCounts& reloads;
};

std::string metrics_page(const MetricsSources& sources);

}  // namespace mcplb
