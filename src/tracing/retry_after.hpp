// How long a server asks to be left alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "mcplb/base/clock.hpp"

namespace mcplb::tracing {

// Retry-After as seconds or as a date (RFC 9110 §10.2.3), seen at `now_s` of unix time. At most
// limits::span_retry_after_max; nothing when it cannot be read.
std::optional<milliseconds> read_retry_after(std::string_view text, std::int64_t now_s);

}  // namespace mcplb::tracing
