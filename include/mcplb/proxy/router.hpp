// From listener, host and path to a pool. Immutable after construction; a worker has its own.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/proxy/settings.hpp"

namespace mcplb::proxy {

struct Route {
  RouteSettings match;
  std::size_t pool = 0;  // index in the order of the configuration
};

class Router {
 public:
  explicit Router(std::vector<Route> routes);

  // Null when nothing matches. `authority` may carry a port. A well-known metadata path
  // (RFC 9728, RFC 8414) is routed by the path that it names.
  const Route* find(std::string_view listener, std::string_view authority,
                    std::string_view path) const;

 private:
  std::vector<Route> routes_;  // the first match wins: exact hosts first, then longest paths
};

// The target as the backend sees it: `target` itself, or `stripped` filled with the target without
// the route's prefix when the route strips it. A well-known path keeps its well-known part.
std::string_view backend_target(const Route& route, std::string_view target,
                                std::string& stripped);

}  // namespace mcplb::proxy
