#include "policy.hpp"

#include <utility>

#include "mcplb/base/random.hpp"

namespace mcplb {

std::string policy_secret_of_this_process() {
  std::string key;
  for (int i = 0; i < 4; ++i) key += std::to_string(secret_random64()) + ' ';
  return key;
}

proxy::Policy make_policy(const config::Settings& settings,
                          const std::vector<std::unique_ptr<proxy::SharedPool>>& pools,
                          const proxy::Policy& before, const std::string& own_secret) {
  proxy::Policy policy;
  policy.client = settings.client;
  policy.http = settings.http;
  for (const std::string& cidr : settings.client.trusted_proxies) policy.trusted.add(cidr);
  policy.trace_millionths = settings.tracing.sample_millionths;
  policy.secrets = settings.secrets;
  if (policy.secrets.empty()) policy.secrets.push_back(own_secret);
  std::vector<proxy::Route> routes;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const config::PoolSettings* const configured = settings.pool(pools[i]->pool.name());
    if (configured == nullptr) {
      policy.pools.push_back(before.pools[i]);
      continue;
    }
    policy.pools.push_back({pools[i].get(), configured->sessions, configured->forward});
    for (const proxy::RouteSettings& match : configured->routes) routes.push_back({match, i});
  }
  policy.router = proxy::Router(std::move(routes));
  return policy;
}

}  // namespace mcplb
