// One factory per policy, for make_balancer(). A new policy adds its line here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "mcplb/cluster/balancer.hpp"

namespace mcplb::cluster {

using Cursor = std::atomic<std::uint64_t>;

std::unique_ptr<Balancer> make_round_robin(Cursor& cursor);
std::unique_ptr<Balancer> make_least_connections(Cursor& cursor);
std::unique_ptr<Balancer> make_session_hash(Cursor& cursor);

}  // namespace mcplb::cluster
