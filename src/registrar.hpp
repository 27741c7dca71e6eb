// Backends that announce themselves, tied to the pools that they join and to the shared store.
#pragma once

#include <optional>
#include <string>

#include "mcplb/cluster/membership.hpp"
#include "mcplb/cluster/registration.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/redis/client.hpp"
#include "node_store.hpp"

namespace mcplb {

// Owned by the server, used on the control loop only. All that it is given outlives it, but for
// the nursery, which runs its flow and is destroyed first.
class Registrar {
 public:
  struct Parts {
    const proxy::SharedState& shared;
    cluster::Membership& membership;
    net::Timers& timers;
    redis::Client* client;  // of the control loop; null without a store
  };
  Registrar(const cluster::RegistrationSettings& settings, const Parts& parts);
  Registrar(const Registrar&) = delete;
  Registrar& operator=(const Registrar&) = delete;

  void start(Nursery& nursery) { registration_.start(nursery); }
  cluster::Registration& registration() { return registration_; }

 private:
  static cluster::Registration::Links links(const Parts& parts);

  std::optional<RedisNodeStore> store_;
  cluster::Registration registration_;
};

}  // namespace mcplb
