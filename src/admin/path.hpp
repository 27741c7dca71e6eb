// Which endpoint a request is for.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace mcplb::admin {

// The segments of `path` that stand where `pattern` has {}, as they are (not decoded); nothing
// when it is another path. A {} stands for one whole segment, also an empty one.
std::optional<std::vector<std::string_view>> match_path(std::string_view pattern,
                                                        std::string_view path);

}  // namespace mcplb::admin
