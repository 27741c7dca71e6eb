// RFC 4648 §5 without padding: text that may stand in a header, a URL's path and its query.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace mcplb::mcp {

inline constexpr std::string_view base64url_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
inline constexpr std::uint8_t no_base64url_digit = 64;

// 0 to 63, or no_base64url_digit.
std::uint8_t base64url_value(char digit);

// Decodes onto an empty `out`; false for anything that an encoder would not have written.
bool decode_base64url(std::string_view text, std::string& out);

}  // namespace mcplb::mcp
