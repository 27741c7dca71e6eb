#include "cluster/checks/checks.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "mcplb/base/assert.hpp"

namespace mcplb::cluster {
namespace {

struct Kind {
  HealthSettings::Check check;
  std::string_view default_path;
  std::unique_ptr<Check> (*make)(CheckTarget target);
};
constexpr std::array kinds{
    Kind{HealthSettings::Check::tcp, "", make_tcp_check},
    Kind{HealthSettings::Check::http, "/health", make_http_check},
    Kind{HealthSettings::Check::mcp, "/mcp", make_mcp_check},
};

// As a client of its URL would write it: without the port that the scheme implies.
std::string own_host(const Backend& backend) {
  const bool ip_v6 = backend.host().find(':') != std::string::npos;
  std::string host = ip_v6 ? "[" + backend.host() + "]" : backend.host();
  const std::uint16_t implied = backend.https() ? 443 : 80;
  if (backend.port() != implied) host += ":" + std::to_string(backend.port());
  return host;
}

}  // namespace

std::unique_ptr<Check> make_check(const HealthSettings& settings, Backend& backend,
                                  CheckConnector& connector) {
  for (const Kind& kind : kinds) {
    if (kind.check != settings.check) continue;
    CheckTarget target{backend, connector, settings.path, settings.host};
    if (target.path.empty()) target.path = kind.default_path;
    if (target.host.empty()) target.host = own_host(backend);
    return kind.make(std::move(target));
  }
  MCPLB_ASSERT(false);
}

}  // namespace mcplb::cluster
