// The era of 2026-07-28 and later, as a demo server speaks it: no sessions, every request names
// its version and capabilities and mirrors them in headers.
#pragma once

#include <string_view>
#include <variant>

#include "mcplb/http/head.hpp"

#include "demo/json_rpc.hpp"
#include "demo/tools.hpp"

namespace mcplb::demo {

inline constexpr std::string_view modern_version = "2026-07-28";

// Newest first.
bool is_legacy_version(std::string_view version);
Json supported_versions();

// A message is modern when it says so itself, else when its version header does.
bool is_modern(const http::RequestHead& head, const Json& message);

// Answers one posted message, or names the long call that will.
std::variant<wire::Reply, LongCall> answer_modern(const http::RequestHead& head,
                                                  const Json& message, const Tools& tools);

}  // namespace mcplb::demo
