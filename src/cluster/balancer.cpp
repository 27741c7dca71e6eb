#include "mcplb/cluster/balancer.hpp"

#include "cluster/balancers/balancers.hpp"

namespace mcplb::cluster {

std::string_view to_string(Balance balance) {
  switch (balance) {
    case Balance::round_robin: return "round_robin";
    case Balance::least_connections: return "least_connections";
    case Balance::session_hash: return "session_hash";
  }
  return "";
}

std::unique_ptr<Balancer> make_balancer(Balance policy, std::atomic<std::uint64_t>& cursor) {
  switch (policy) {
    case Balance::round_robin:
      return make_round_robin(cursor);
    case Balance::least_connections:
      return make_least_connections(cursor);
    case Balance::session_hash:
      return make_session_hash(cursor);
  }
  return make_round_robin(cursor);
}

}  // namespace mcplb::cluster
