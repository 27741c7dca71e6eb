// The settings of the proxy that may change while it serves. One value: what a request does follows
// one configuration, never half of each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mcplb/http/settings.hpp"
#include "mcplb/net/address.hpp"
#include "mcplb/proxy/router.hpp"
#include "mcplb/proxy/settings.hpp"
#include "mcplb/proxy/shared_pool.hpp"
#include "mcplb/session/settings.hpp"

namespace mcplb::proxy {

struct PoolPolicy {
  const SharedPool* shared = nullptr;  // as long-lived as the process
  session::Settings session;           // identity and bind never change
  ForwardSettings forward;
};

// Made on the control loop, published to the workers, each of which takes it over when its next
// request begins.
struct Policy {
  ClientSettings client;
  http::Settings http;
  Router router{std::vector<Route>()};
  net::Networks trusted;             // of client.trusted_proxies
  std::vector<std::string> secrets;  // of seals and bindings; one at least once workers run
  // Grows at its end only, so that Route::pool stays what it is. A pool that the configuration no
  // longer has keeps its place, without a route.
  std::vector<PoolPolicy> pools;
  std::uint32_t trace_millionths = 0;  // so many of a million new traces are recorded
};

}  // namespace mcplb::proxy
