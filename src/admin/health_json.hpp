// The process and its parts in the answers of the admin API.
#pragma once

#include "mcplb/admin/admin.hpp"

#include "admin/reply.hpp"

namespace mcplb::admin {

Json general_json(const HealthReport& report);
Json pool_json(const PoolHealth& pool);
Json store_json(const StoreHealth& store);

}  // namespace mcplb::admin
