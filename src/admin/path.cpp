#include "admin/path.hpp"

#include <algorithm>

namespace mcplb::admin {
namespace {

std::string_view take_segment(std::string_view& path) {
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(std::min(path.size(), segment.size() + 1));
  return segment;
}

}  // namespace

std::optional<std::vector<std::string_view>> match_path(std::string_view pattern,
                                                        std::string_view path) {
  if (std::count(pattern.begin(), pattern.end(), '/') != std::count(path.begin(), path.end(), '/'))
    return std::nullopt;
  std::vector<std::string_view> parts;
  while (!pattern.empty()) {
    const std::string_view wanted = take_segment(pattern);
    const std::string_view segment = take_segment(path);
    if (wanted == "{}") {
      parts.push_back(segment);
    } else if (wanted != segment) {
      return std::nullopt;
    }
  }
  if (!path.empty()) return std::nullopt;  // the pattern / has nothing behind its slash
  return parts;
}

}  // namespace mcplb::admin
