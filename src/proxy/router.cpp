#include "mcplb/proxy/router.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "mcplb/base/text.hpp"

namespace mcplb::proxy {
namespace {

constexpr std::array<std::string_view, 3> well_known{
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
};

// The length of the well-known part that `path` begins with, 0 when there is none.
std::size_t well_known_size(std::string_view path) {
  for (const std::string_view prefix : well_known) {
    if (!path.starts_with(prefix)) continue;
    if (path.size() == prefix.size() || path[prefix.size()] == '/') return prefix.size();
  }
  return 0;
}

// Whole segments: "/a" covers "/a" and "/a/b", not "/ab".
bool covers(std::string_view prefix, std::string_view path) {
  if (prefix == "/") return true;
  if (prefix.ends_with('/')) return path.starts_with(prefix);
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || path[prefix.size()] == '/';
}

std::string_view without_port(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  const bool in_brackets = authority.ends_with(']');
  return colon == std::string_view::npos || in_brackets ? authority : authority.substr(0, colon);
}

bool host_matches(std::string_view pattern, std::string_view host) {
  if (pattern == "*") return true;
  if (!pattern.starts_with("*.")) return equals_ignoring_case(pattern, host);
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() &&
         equals_ignoring_case(host.substr(host.size() - suffix.size()), suffix);
}

// Smaller comes first: exact hosts, longer suffixes, longer paths, named listeners.
auto precedence(const Route& route) {
  const std::string& host = route.match.host;
  const int host_class = host == "*" ? 2 : (host.starts_with("*.") ? 1 : 0);
  const auto longer_first = [](std::size_t size) { return -static_cast<std::ptrdiff_t>(size); };
  return std::tuple(host_class, host_class == 1 ? longer_first(host.size()) : 0,
                    longer_first(route.match.path.size()), route.match.listener.empty());
}

}  // namespace

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {
  std::stable_sort(routes_.begin(), routes_.end(), [](const Route& a, const Route& b) {
    return precedence(a) < precedence(b);
  });
}

const Route* Router::find(std::string_view listener, std::string_view authority,
                          std::string_view path) const {
  path.remove_prefix(well_known_size(path));
  if (path.empty()) path = "/";
  const std::string_view host = without_port(authority);
  const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const Route& route) {
    const RouteSettings& match = route.match;
    return (match.listener.empty() || match.listener == listener) &&
           host_matches(match.host, host) && covers(match.path, path);
  });
  return found == routes_.end() ? nullptr : &*found;
}

std::string_view backend_target(const Route& route, std::string_view target,
                                std::string& stripped) {
  if (!route.match.strip_prefix || route.match.path == "/") return target;
  const std::size_t kept = well_known_size(target.substr(0, target.find('?')));
  std::string_view prefix = route.match.path;
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  std::string_view rest = target.substr(kept);
  if (!rest.starts_with(prefix)) return target;
  rest.remove_prefix(prefix.size());
  stripped = target.substr(0, kept);
  if (kept == 0 && !rest.starts_with('/')) stripped += '/';
  stripped += rest;
  return stripped;
}

}  // namespace mcplb::proxy
