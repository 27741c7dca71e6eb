// Classes of characters that the rules of this floor share.
#pragma once

#include "mcplb/base/text.hpp"

namespace mcplb::http {

constexpr bool is_hex_digit(char c) {
  return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

// What no line of a message may contain; HTAB is white space (RFC 9110 §5.5).
constexpr bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

}  // namespace mcplb::http
