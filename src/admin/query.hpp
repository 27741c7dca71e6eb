// What a request's target says beyond its path.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mcplb::admin {

// %XX decoded (RFC 3986 §2.1). None when a '%' is not followed by two hex digits.
std::optional<std::string> percent_decoded(std::string_view text);

// The first parameter of that name, decoded ('+' is a space); empty when there is none or it
// cannot be decoded.
std::string parameter(std::string_view query, std::string_view name);

}  // namespace mcplb::admin
