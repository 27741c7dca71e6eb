// Keeps the backends behind a DNS name in step with DNS: one flow per `dns:` entry of a pool, on
// the control loop, owned by its nursery, which cancels it when the entry is gone.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/settings.hpp"
#include "mcplb/net/dns.hpp"
#include "mcplb/net/timers.hpp"

namespace mcplb::cluster {

// Asks at once and then every `refresh`. DNS that does not answer changes nothing, and neither does
// the first of several empty answers: both are told in the log.
class DnsDiscovery final : public Job {
 public:
  // All backends behind the name, in a fixed order; called once per change, the first answer
  // included. It may not end this job on the spot: cancel_soon() is for that.
  using OnChange = std::function<void(const std::vector<BackendSettings>&)>;

  // `timers` and `dns` outlive the job. `pool` is for the log.
  DnsDiscovery(net::Timers& timers, net::Dns& dns, std::string pool, DnsSettings settings,
               OnChange on_change);

 private:
  Task<void> run() override;
  Task<Result<net::DnsAnswer>> look_up();
  void note(const Result<net::DnsAnswer>& answer);
  void note_failure(const Error& error);
  bool believes(bool empty);
  std::vector<BackendSettings> backends_of(const net::DnsAnswer& answer) const;
  BackendSettings backend_at(const net::DnsEndpoint& endpoint) const;

  net::Timers& timers_;
  net::Dns& dns_;
  std::string pool_;
  DnsSettings settings_;
  OnChange on_change_;
  std::vector<BackendSettings> known_;  // sorted by id
  bool told_ = false;                   // on_change_ has been called
  bool failing_ = false;                // the last look-up got no answer
  int empty_answers_ = 0;               // in a row
};

}  // namespace mcplb::cluster
