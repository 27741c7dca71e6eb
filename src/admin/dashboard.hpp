// The page for people at /, made of the files in src/admin/dashboard when this is built.
#pragma once

#include <string_view>

namespace mcplb::admin {

// One document without data, with its style and its script inside.
extern const std::string_view dashboard_page;
// Content-Security-Policy: what the page may do, its own style and script named by their hashes.
extern const std::string_view dashboard_policy;

}  // namespace mcplb::admin
