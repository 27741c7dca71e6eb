#include "mcp/headers.hpp"

#include <algorithm>
#include <array>

#include "mcplb/base/text.hpp"
#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {
namespace {

constexpr std::string_view sentinel_prefix = "=?base64?";
constexpr std::string_view sentinel_suffix = "?=";

bool is_sentinel(std::string_view value) {
  return value.size() >= sentinel_prefix.size() + sentinel_suffix.size() &&
         value.substr(0, sentinel_prefix.size()) == sentinel_prefix &&
         value.substr(value.size() - sentinel_suffix.size()) == sentinel_suffix;
}

constexpr std::uint8_t no_digit = 64;
constexpr std::uint8_t no_hex_digit = 16;

constexpr std::array<std::uint8_t, 256> make_base64_table() {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<std::uint8_t, 256> table{};
  for (auto& entry : table)
    entry = no_digit;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    table[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}
constexpr auto base64_table = make_base64_table();

// RFC 4648 §4, padded, and nothing that an encoder would not write: two spellings of one name
// would be one more way to disagree with the backend.
bool decode_base64(std::string_view text, std::string& out) {
  if (text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned bit_count = 0;
  for (const char c : text) {
    const std::uint8_t digit = base64_table[static_cast<unsigned char>(c)];
    if (digit == no_digit) return false;
    bits = bits << 6 | digit;
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    out += static_cast<char>(bits >> bit_count & 0xff);
    bits &= (1U << bit_count) - 1;
  }
  return bits == 0;
}

bool is_date(std::string_view text) {
  constexpr std::string_view shape = "dddd-dd-dd";
  if (text.size() != shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool fits = shape[i] == 'd' ? is_digit(text[i]) : text[i] == '-';
    if (!fits) return false;
  }
  return true;
}

std::uint8_t hex_digit(char c) {
  const char lower = ascii_lower(c);
  if (is_digit(lower)) return static_cast<std::uint8_t>(lower - '0');
  if (lower >= 'a' && lower <= 'f') return static_cast<std::uint8_t>(lower - 'a' + 10);
  return no_hex_digit;
}

// Whether a server may read the key as `name`, after percent-decoding, with or without an index.
bool may_read_as(std::string_view key, std::string_view name) {
  std::size_t at = 0;
  for (const char wanted : name) {
    if (at >= key.size()) return false;
    char c = key[at++];
    if (c == '%' && at + 2 <= key.size()) {
      const std::uint8_t high = hex_digit(key[at]);
      const std::uint8_t low = hex_digit(key[at + 1]);
      if (high != no_hex_digit && low != no_hex_digit) {
        c = static_cast<char>(high << 4 | low);
        at += 2;
      }
    }
    if (c != wanted) return false;
  }
  const std::string_view rest = key.substr(at);
  return rest.empty() || rest.front() == '[' || equals_ignoring_case(rest.substr(0, 3), "%5b");
}

bool has_comma(const McpField& field) {
  return field.value.find(',') != std::string_view::npos;
}

}  // namespace

McpHeaders read_mcp_headers(const http::Fields& fields) {
  McpHeaders headers;
  const auto set = [&headers](McpField& field, std::string_view value) {
    if (field.present) headers.broken = "an MCP header field occurs twice";
    field = {value, true};
  };
  for (const http::Field& field : fields) {
    switch (field.id) {
      case http::Name::mcp_session_id:
        set(headers.session, field.value);
        break;
      case http::Name::mcp_protocol_version:
        set(headers.version, field.value);
        break;
      case http::Name::mcp_method:
        set(headers.method, field.value);
        break;
      case http::Name::mcp_name:
        set(headers.name, field.value);
        break;
      default:
        break;
    }
  }
  // A list is what an intermediary makes of two lines; names may hold commas of their own.
  if (has_comma(headers.version)) headers.broken = "MCP-Protocol-Version is a list";
  if (has_comma(headers.method)) headers.broken = "Mcp-Method is a list";
  return headers;
}

bool is_modern_version(std::string_view version) {
  if (version.empty()) return false;
  return !is_date(version) || version >= "2026-07-28";
}

bool names(std::string_view mcp_name, std::string_view name) {
  if (!is_sentinel(mcp_name)) return mcp_name == name;
  const auto decoded = decode_mirrored(mcp_name);
  return decoded && *decoded == name;
}

Result<std::string> decode_mirrored(std::string_view value) {
  if (!is_sentinel(value)) return std::string(value);
  value.remove_prefix(sentinel_prefix.size());
  value.remove_suffix(sentinel_suffix.size());
  std::string decoded;
  if (!decode_base64(value, decoded)) {
    return Error{Error::Kind::malformed, Error::Side::client, 0, "undecodable base64 header"};
  }
  return decoded;
}

bool is_session_id(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

std::string_view endpoint_session(std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    const std::string_view key = pair.substr(0, equals);
    if (equals != std::string_view::npos && (key == "sessionId" || key == "session_id")) {
      const std::string_view value = pair.substr(equals + 1);
      if (is_session_id(value)) return value;
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return {};
}

std::size_t count_endpoint_sessions(std::string_view query) {
  std::size_t count = 0;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::string_view key = pair.substr(0, pair.find('='));
    if (may_read_as(key, "sessionId") || may_read_as(key, "session_id")) ++count;
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return count;
}

}  // namespace mcplb::mcp
