#include <atomic>
#include <string>
#include <vector>

#include "mcplb/base/hash.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/balancer.hpp"

#include "micro/measure.hpp"

namespace mcplb::bench {
namespace {

constexpr std::uint64_t operations = 20'000;
constexpr int backends_count = 8;

}  // namespace

void measure_balancers(Bench& bench) {
  cluster::Registry registry;
  std::vector<cluster::Backend*> backends;
  for (int i = 0; i < backends_count; ++i) {
    cluster::BackendSettings settings;
    settings.id = "backend-" + std::to_string(i);
    settings.host = "127.0.0.1";
    backends.push_back(registry.add("pool", settings));
  }
  std::vector<std::uint64_t> keys;
  for (int i = 0; i < 1024; ++i) keys.push_back(hash64("session-" + std::to_string(i)));
  std::vector<cluster::Backend*> order;
  for (const auto policy : {cluster::Balance::round_robin, cluster::Balance::least_connections,
                            cluster::Balance::session_hash}) {
    std::atomic<std::uint64_t> cursor{0};
    const auto balancer = cluster::make_balancer(policy, cursor);
    const std::string name =
        "cluster/" + std::string(cluster::to_string(policy)) + " of 8 backends";
    bench.time(name, operations, [&](std::uint64_t number) {
      balancer->rank(backends, keys[number % keys.size()], order);
      keep(order);
    });
  }
}

}  // namespace mcplb::bench
