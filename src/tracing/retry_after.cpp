#include "tracing/retry_after.hpp"

#include <algorithm>
#include <ctime>
#include <string>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb::tracing {

std::optional<milliseconds> read_retry_after(std::string_view text, std::int64_t now_s) {
  constexpr std::int64_t seconds_max = limits::span_retry_after_max.count() / 1000;
  if (text.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  if (is_digit(text.front())) {
    const auto given = parse_decimal(text);
    if (!given) return std::nullopt;
    seconds = static_cast<std::int64_t>(
        std::min<std::uint64_t>(*given, static_cast<std::uint64_t>(seconds_max)));
  } else {
    std::tm date{};
    const std::string copy(text);
    const char* const end = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
    if (end == nullptr || *end != '\0') return std::nullopt;
    seconds = static_cast<std::int64_t>(timegm(&date)) - now_s;
  }
  return milliseconds(std::clamp<std::int64_t>(seconds, 0, seconds_max) * 1000);
}

}  // namespace mcplb::tracing
