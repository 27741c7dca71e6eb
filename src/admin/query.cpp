#include "admin/query.hpp"

#include <algorithm>
#include <charconv>

namespace mcplb::admin {

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    if (text.front() != '%') {
      decoded += text.front();
      text.remove_prefix(1);
      continue;
    }
    unsigned char byte = 0;
    if (text.size() < 3) return std::nullopt;
    const char* const end = text.data() + 3;
    const auto [read, error] = std::from_chars(text.data() + 1, end, byte, 16);
    if (error != std::errc{} || read != end) return std::nullopt;
    decoded += static_cast<char>(byte);
    text.remove_prefix(3);
  }
  return decoded;
}

std::string parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name || equals == std::string_view::npos) continue;
    std::string value(pair.substr(equals + 1));
    std::replace(value.begin(), value.end(), '+', ' ');
    return percent_decoded(value).value_or("");
  }
  return "";
}

}  // namespace mcplb::admin
