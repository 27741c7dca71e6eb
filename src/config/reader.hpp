// Puts a tree into Settings, key by key as the schema says.
#pragma once

#include "config/node.hpp"

namespace mcplb::config {

// Reports unknown keys, wrong types and values. What is wrong keeps its default, so that the rest
// can be checked as well.
void read_settings(const Node& root, Settings& settings, Report& report);

// What to say about a key that the schema does not know. `path` is the schema's path around it
// ("pools[]"), `shown` the same with indices ("pools[0]").
std::string unknown_key(std::string_view path, std::string_view shown, std::string_view key);

}  // namespace mcplb::config
