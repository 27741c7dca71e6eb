// The names in the configuration whose addresses are backends, followed on the control loop.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/cluster/membership.hpp"
#include "mcplb/cluster/settings.hpp"
#include "mcplb/net/dns.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/settings.hpp"

namespace mcplb {

// Owned by the server, used on the control loop only. All that it is given outlives it, but for the
// nursery, which runs its flows and is destroyed first.
class Discovery {
 public:
  Discovery(net::Loop& loop, const net::ResolverSettings& servers, cluster::Membership& membership,
            Nursery& nursery);
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // The names of a pool from now on. Those that are no longer among them lose their backends;
  // those that stay as they are go on undisturbed.
  void follow(const std::string& pool, const std::vector<cluster::DnsSettings>& names);

 private:
  struct Followed {
    cluster::DnsSettings settings;
    Job* job = nullptr;  // the nursery's; ends only when we cancel it
  };
  using Followeds = std::map<std::string, Followed>;  // by the source that membership knows

  using Named = std::map<std::string, cluster::DnsSettings>;

  void drop_others(const std::string& pool, const Named& kept);
  Job& start(const std::string& pool, const std::string& source,
             const cluster::DnsSettings& settings);

  net::Loop& loop_;
  net::DnsClient dns_;
  cluster::Membership& membership_;
  Nursery& nursery_;
  std::map<std::string, Followeds> pools_;
};

}  // namespace mcplb
