#include "mcp/base64url.hpp"

namespace mcplb::mcp {
namespace {

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values)
    value = no_base64url_digit;
  for (std::size_t i = 0; i < base64url_digits.size(); ++i) {
    values[static_cast<unsigned char>(base64url_digits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr auto values = make_values();

}  // namespace

std::uint8_t base64url_value(char digit) { return values[static_cast<unsigned char>(digit)]; }

bool decode_base64url(std::string_view text, std::string& out) {
  if (text.size() % 4 == 1) return false;
  std::uint32_t bits = 0;
  unsigned bit_count = 0;
  for (const char c : text) {
    const std::uint8_t value = base64url_value(c);
    if (value == no_base64url_digit) return false;
    bits = bits << 6 | value;
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    out += static_cast<char>(bits >> bit_count & 0xff);
    bits &= (1U << bit_count) - 1;
  }
  return bits == 0;
}

}  // namespace mcplb::mcp
