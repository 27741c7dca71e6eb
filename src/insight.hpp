// What operators are shown of a running process: its traffic, what changed lately, its metrics.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mcplb/admin/traffic.hpp"
#include "mcplb/async/nursery.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/tracing/exporter.hpp"
#include "reload.hpp"
#include "session_upkeep.hpp"
#include "timeline.hpp"
#include "traffic.hpp"
#include "worker.hpp"

namespace mcplb {

// Owned by the server, used on the control loop; hears of events on any thread. One at a time.
class Insight {
 public:
  // All outlive it.
  struct Parts {
    net::Loop& loop;
    const proxy::SharedState& shared;
    const cluster::Registry& registry;
    const std::vector<std::unique_ptr<Worker>>& workers;
    const Reload& reloads;
  };
  explicit Insight(Parts parts);
  ~Insight();
  Insight(const Insight&) = delete;
  Insight& operator=(const Insight&) = delete;

  // Traffic is looked at from now on. The nursery dies first.
  void start(Nursery& nursery);
  const TrafficHistory& traffic() const { return traffic_; }
  admin::ActivityView activity() const;
  // `upkeep` is null while the process starts, `spans` while tracing is off.
  std::string metrics(const SessionUpkeep* upkeep, const tracing::ExportCounts* spans) const;

 private:
  Task<void> watch_traffic();
  void look_at_traffic();

  const Parts parts_;
  Timeline timeline_;
  TrafficHistory traffic_;
};

}  // namespace mcplb
