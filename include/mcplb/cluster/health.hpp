// Active health: one flow per backend on the control loop, which decides Backend::healthy().
#pragma once

#include "mcplb/async/nursery.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"

namespace mcplb::cluster {

// Starts the checks of every backend of the pool. `nursery` owns them and dies before the rest.
void start_health_checks(Nursery& nursery, net::Loop& loop, net::Resolver& resolver, Pool& pool);

}  // namespace mcplb::cluster
