// From the configuration to what workers act on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mcplb/config/settings.hpp"
#include "mcplb/proxy/policy.hpp"

namespace mcplb {

// For bindings when the operator gave no secret: they end with the process.
std::string policy_secret_of_this_process();

// `pools` has every pool of the settings, and maybe others, which keep what they have in `before`,
// but get no route. `own_secret` serves when the settings have none.
proxy::Policy make_policy(const config::Settings& settings,
                          const std::vector<std::unique_ptr<proxy::SharedPool>>& pools,
                          const proxy::Policy& before, const std::string& own_secret);

}  // namespace mcplb
