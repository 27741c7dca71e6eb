// Pools and backends in the answers of the admin API.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcplb/admin/backends.hpp"

#include "admin/reply.hpp"

namespace mcplb::admin {

Json backend_json(const BackendView& backend);

// Null when there is none of that name.
const PoolView* find_pool(const std::vector<PoolView>& pools, std::string_view name);
const BackendView* find_backend(const PoolView& pool, std::string_view id);
// Sentences that name those there are.
std::string no_such_pool(const std::vector<PoolView>& pools, std::string_view name);
std::string no_such_backend(const PoolView& pool, std::string_view id);

}  // namespace mcplb::admin
