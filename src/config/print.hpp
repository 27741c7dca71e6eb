// Settings as YAML.
#pragma once

#include <string>

#include "mcplb/config/config.hpp"

namespace mcplb::config {

// conf/every-key.yaml: every key at its default with what it means.
std::string every_key_example();

}  // namespace mcplb::config
