#include "discovery.hpp"

#include <memory>

#include "mcplb/cluster/dns_discovery.hpp"

namespace mcplb {
namespace {

std::string source_of(const cluster::DnsSettings& settings) {
  return "dns:" + settings.host + ':' + std::to_string(settings.port);
}

}  // namespace

Discovery::Discovery(net::Loop& loop, const net::ResolverSettings& servers,
                     cluster::Membership& membership, Nursery& nursery)
    : loop_(loop),
      dns_(loop, servers),
      membership_(membership),
      nursery_(nursery) {}

void Discovery::follow(const std::string& pool, const std::vector<cluster::DnsSettings>& names) {
  Named wanted;
  for (const cluster::DnsSettings& settings : names) wanted[source_of(settings)] = settings;
  drop_others(pool, wanted);
  Followeds& followed = pools_[pool];
  for (const auto& [source, settings] : wanted) {
    const auto known = followed.find(source);
    if (known != followed.end() && known->second.settings == settings) continue;
    // The backends stay until the new flow knows better.
    if (known != followed.end()) nursery_.cancel_soon(*known->second.job);
    Job& job = start(pool, source, settings);
    followed[source] = {settings, &job};
  }
}

void Discovery::drop_others(const std::string& pool, const Named& kept) {
  Followeds& followed = pools_[pool];
  for (auto at = followed.begin(); at != followed.end();) {
    if (kept.contains(at->first)) {
      ++at;
      continue;
    }
    nursery_.cancel_soon(*at->second.job);
    membership_.set_source(pool, at->first, {});
    at = followed.erase(at);
  }
}

Job& Discovery::start(const std::string& pool, const std::string& source,
                      const cluster::DnsSettings& settings) {
  const auto on_change = [this, pool, source](const std::vector<cluster::BackendSettings>& found) {
    membership_.set_source(pool, source, found);
  };
  return nursery_.spawn(std::make_unique<cluster::DnsDiscovery>(loop_.timers(), dns_, pool,
                                                                settings, on_change));
}

}  // namespace mcplb
