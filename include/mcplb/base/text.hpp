// Small ASCII helpers. Protocol text is bytes: no locale, no Unicode folding.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mcplb {

constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Which bytes belong to a class of characters: one load to know.
class CharSet {
 public:
  constexpr bool has(char c) const { return members_[static_cast<unsigned char>(c)]; }
  constexpr void add(char c) { members_[static_cast<unsigned char>(c)] = true; }

 private:
  std::array<bool, 256> members_{};
};

constexpr CharSet alphanumeric_and(std::string_view others) {
  CharSet set;
  for (char c = '0'; c <= '9'; ++c) set.add(c);
  for (char c = 'a'; c <= 'z'; ++c) set.add(c);
  for (char c = 'A'; c <= 'Z'; ++c) set.add(c);
  for (const char c : others) set.add(c);
  return set;
}

// RFC 9110 §5.6.2: the characters of a token.
bool is_token_char(char c);
bool is_token(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);
// Without leading and trailing SP and HTAB (RFC 9110 OWS).
inline std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}
// Digits only, no sign, no overflow.
std::optional<std::uint64_t> parse_decimal(std::string_view text);
std::string to_lower(std::string_view text);
// Empties `text` and frees its memory; assigning an empty string would keep the capacity.
inline void release(std::string& text) { std::string().swap(text); }
// For log lines and error texts: controls, quotes, backslashes and bytes beyond ASCII become
// \xNN, and the text is cut after `bytes_max` with "...".
std::string escaped(std::string_view text, std::size_t bytes_max = 256);

// Calls `visit(element)` for each non-empty element of a comma separated list, OWS removed
// (RFC 9110 §5.6.1). `visit` returns false to stop.
template <class Visit>
void for_each_list_element(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trimmed(list.substr(0, comma));
    if (!element.empty() && !visit(element)) return;
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace mcplb
