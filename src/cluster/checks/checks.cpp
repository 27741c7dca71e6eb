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

}  // namespace

std::unique_ptr<Check> make_check(const HealthSettings& settings, Backend& backend,
                                  CheckConnector& connector) {
  for (const Kind& kind : kinds) {
    if (kind.check != settings.check) continue;
    CheckTarget target{backend, connector, settings.path, settings.host};
    if (target.path.empty()) target.path = kind.default_path;
    if (target.host.empty()) target.host = backend.authority();
    return kind.make(std::move(target));
  }
  MCPLB_ASSERT(false);
}

}  // namespace mcplb::cluster
