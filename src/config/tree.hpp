// What happens to parsed files before the schema sees them, and finding places in them later.
#pragma once

#include <string_view>

#include "config/node.hpp"

namespace mcplb::config {

// The most that all replaced ${NAME} of one tree may add up to.
inline constexpr std::size_t expanded_bytes_max = 1024 * 1024;

// Puts `over` onto `base`: maps merge, values and whole lists replace.
void merge(Node& base, Node over);

// Replaces ${NAME}, ${NAME:-default} and $$ in every scalar. As in a shell, the default also
// stands in for an empty variable. Values only ever become text, never YAML.
void expand(Node& node, const Environment& environment, Report& report);

// The value at "pools[0].backends[1].id", or nothing.
const Node* lookup(const Node& root, std::string_view path);
// Where to point when something is wrong at the path: its value, its key when there is no value,
// else the innermost thing around it that exists.
Place place_of(const Node& root, std::string_view path);

}  // namespace mcplb::config
