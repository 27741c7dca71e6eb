// What no single key can tell: defaults that depend on other keys, and rules across keys.
#pragma once

#include <string>
#include <vector>

#include "config/node.hpp"

namespace mcplb::config {

// Fills in the names that have computed defaults and reports what does not fit together. `root`
// is the tree that the settings came from; it tells what was written and where.
void finish_settings(const Node& root, Settings& settings, Report& report);

// One sentence for everything that is accepted but acts differently for now.
std::vector<std::string> notes_on(const Settings& settings);

}  // namespace mcplb::config
