// The table behind everything: what may be configured, what it means, and where it goes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/access.hpp"

namespace mcplb::config {

enum class Kind : std::uint8_t {
  section,  // a map of further keys
  list,     // a list of maps of further keys
  duration,
  size,
  integer,
  count_or_auto,  // an integer, or "auto" which is 0
  percent,
  ratio,  // 0 to 1, kept in millionths
  boolean,
  choice,
  text,
  text_list
};

// One value of a choice. Choices stand in the order of their enumeration.
struct Choice {
  std::string_view name;
};

struct Row {
  std::string_view path;  // "pools[].health.interval"; "[]" marks a list of maps
  Kind kind = Kind::section;
  std::string_view doc;
  Access access;         // of a leaf
  ListAccess list;       // of Kind::list
  std::int64_t min = 0;  // of numbers, durations (ms), sizes (bytes)
  std::int64_t max = 0;
  std::span<const Choice> choices;  // of Kind::choice
  Check check = nullptr;            // of texts, and of each text in a list
  bool secret = false;  // never shown

  constexpr Row checked(Check by) const {
    Row row = *this;
    row.check = by;
    return row;
  }
  constexpr Row kept_secret() const {
    Row row = *this;
    row.secret = true;
    return row;
  }

  // "interval"; of a list without its brackets.
  constexpr std::string_view key() const {
    std::string_view name = path.substr(path.rfind('.') + 1);
    if (name.substr(name.size() - std::min<std::size_t>(2, name.size())) == "[]") {
      name.remove_suffix(2);
    }
    return name;
  }
  // "pools[].health"; "" at the top.
  constexpr std::string_view parent() const {
    const std::size_t dot = path.rfind('.');
    return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
  }
  constexpr bool is_leaf() const { return kind != Kind::section && kind != Kind::list; }
};

// "pools[0].health" and "interval" to "pools[0].health.interval"; at the top just the key.
std::string joined_path(std::string_view path, std::string_view key);
// All rows, a section or list before its keys, in the order in which they are printed.
std::span<const Row> schema();
// The rows one level below a path; "" is the top.
std::vector<const Row*> children(std::string_view parent);
// The row's value in a scope.
Value value_in(const Row& row, const void* scope);
// A running process keeps what it was started with; of a list, its length.
bool needs_restart(const Row& row);
// Whether the row's value is the same in both scopes, what is never shown included.
bool same_value(const Row& row, const void* scope, const void* other);

}  // namespace mcplb::config
