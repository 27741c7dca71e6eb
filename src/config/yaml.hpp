// YAML (and so JSON) to a Node. The one place that knows yaml-cpp.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "config/node.hpp"

namespace mcplb::config {

// Bounds on one file. Aliases count as the copies that they stand for.
inline constexpr std::size_t file_bytes_max = 1024 * 1024;
inline constexpr std::size_t file_nodes_max = 50'000;
inline constexpr std::size_t file_depth_max = 32;
inline constexpr std::size_t map_keys_max = 256;

// Nothing after a syntax error or an exceeded bound, which are reported. Duplicate keys are
// reported, too, and the first one is kept. `file` is the index that Report gave. Never throws.
std::optional<Node> parse_yaml(std::string_view text, std::size_t file, Report& report);

}  // namespace mcplb::config
