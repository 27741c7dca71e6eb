// Backends as the admin API shows them.
#pragma once

#include <vector>

#include "mcplb/admin/backends.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/registration.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "traffic.hpp"

namespace mcplb {

cluster::Mode wanted_mode(admin::BackendMode mode);
admin::BackendView view_of(const cluster::Backend& backend);

// On the control loop. `registration` is null when that is switched off.
std::vector<admin::PoolView> pool_views(const proxy::SharedState& shared,
                                        const TrafficHistory& traffic,
                                        const cluster::Registration* registration);

}  // namespace mcplb
