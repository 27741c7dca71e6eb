// What DNS says about a name: all of its addresses, or its services. Used on its loop only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mcplb/async/task.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/net/address.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/settings.hpp"

namespace mcplb::net {

struct DnsEndpoint {
  Address address;           // with its port; 0 when addresses were asked for
  std::uint16_t weight = 0;  // of its SRV record
};

// Without endpoints: the name does not exist, or it has no such records.
struct DnsAnswer {
  std::vector<DnsEndpoint> endpoints;  // at most limits::dns_records_max; IPv4 first
  // False when the addresses of one family are not known, because nobody answered for them.
  bool v4_known = true;
  bool v6_known = true;
};

// Errors, side backend: timeout when the deadline passed, unreachable when DNS does not answer or
// says that it cannot; side self: overloaded beyond limits::dns_queries_max.
class Dns {
 public:
  virtual ~Dns() = default;
  Dns() = default;
  Dns(const Dns&) = delete;
  Dns& operator=(const Dns&) = delete;

  // IPv4 and IPv6. What /etc/hosts says of a name is all that there is to know.
  virtual Task<Result<DnsAnswer>> addresses(std::string name, Deadline deadline) = 0;
  // The addresses behind the SRV records of a name that have the lowest priority value. The name is
  // a full one: search domains are not tried.
  virtual Task<Result<DnsAnswer>> services(std::string name, Deadline deadline) = 0;
};

// Asks the servers of the settings, or those of /etc/resolv.conf, which is read again after a
// failure. Keeps no answers; those who ask the same at the same time share one query. Outlives
// those who wait for it, or is destroyed by one of them.
class DnsClient final : public Dns {
 public:
  DnsClient(Loop& loop, const ResolverSettings& settings);
  ~DnsClient() override;

  Task<Result<DnsAnswer>> addresses(std::string name, Deadline deadline) override;
  Task<Result<DnsAnswer>> services(std::string name, Deadline deadline) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mcplb::net
