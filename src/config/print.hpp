// Settings as YAML.
#pragma once

#include <string>

#include "mcplb/config/config.hpp"

#include "config/schema.hpp"

namespace mcplb::config {

// A value as print_effective() shows it.
std::string shown_value(const Row& row, const void* scope);
// conf/every-key.yaml: every key at its default with what it means.
std::string every_key_example();

}  // namespace mcplb::config
