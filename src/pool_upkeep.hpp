// What the control loop does for the backends of all pools: health checks, the names whose
// addresses are backends, and what workers are told when a backend is marked down.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "discovery.hpp"
#include "mcplb/async/nursery.hpp"
#include "mcplb/cluster/health.hpp"
#include "mcplb/cluster/membership.hpp"
#include "mcplb/config/config.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/proxy/worker_proxy.hpp"

namespace mcplb {

// Calls something for the proxy of every worker, each on its own loop, soon.
using TellWorkers = std::function<void(const std::function<void(proxy::WorkerProxy&)>&)>;

// Owned by the server, used on the control loop only. All that it is given outlives it, but for the
// nursery, which runs its flows and is destroyed first.
class PoolUpkeep {
 public:
  struct Parts {
    net::Loop& loop;
    net::Resolver& resolver;
    cluster::Membership& membership;
    Nursery& nursery;
    TellWorkers tell_workers;
  };
  PoolUpkeep(Parts parts, const net::ResolverSettings& servers);
  PoolUpkeep(const PoolUpkeep&) = delete;
  PoolUpkeep& operator=(const PoolUpkeep&) = delete;

  // Checks of its backends begin, and its names are followed. The pool outlives this.
  void add(cluster::Pool& pool);
  // Members have come, gone or changed their mode. Nothing for a pool that was not added yet.
  void members_changed(const cluster::Pool& pool);
  // The settings of any pool. One that is gone follows no names.
  void settings_changed(const config::Settings& settings);
  // Checks end, with what they keep open at backends.
  void begin_stop();
  bool stopped() const;

 private:
  struct Kept {
    cluster::Pool* pool;
    std::unique_ptr<cluster::HealthChecks> checks;
  };
  void on_down(const cluster::Pool& pool, const cluster::Backend& backend);

  const Parts parts_;
  Discovery discovery_;
  std::vector<Kept> pools_;
};

}  // namespace mcplb
