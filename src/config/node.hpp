// A parsed file: values that know where they stand. Plain data; an owner holds the whole tree.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcplb/config/config.hpp"

namespace mcplb::config {

// Where something stands. `file` is an index into the names that Report knows.
struct Place {
  std::size_t file = 0;
  int line = 0;
  int column = 0;
};

struct Entry;

struct Node {
  enum class Kind : std::uint8_t { nothing, scalar, list, map };

  Kind kind = Kind::nothing;
  Place place;
  std::string text;            // of a scalar
  std::vector<Node> items;     // of a list
  std::vector<Entry> entries;  // of a map, in the order of the file, keys unique

  const Entry* find(std::string_view key) const;
  Entry* find(std::string_view key);
};

struct Entry {
  std::string key;
  Place place;  // of the key
  Node value;
};

inline const Entry* Node::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}
inline Entry* Node::find(std::string_view key) {
  return const_cast<Entry*>(std::as_const(*this).find(key));
}

// Collects problems, so that one run shows all of them.
class Report {
 public:
  // Beyond this many, further ones help nobody; hostile input could otherwise fill the memory.
  static constexpr std::size_t problems_max = 100;

  // Returns the index for Place::file.
  std::size_t add_file(std::string_view name) {
    files_.emplace_back(name);
    return files_.size() - 1;
  }
  void add(const Place& place, std::string message) {
    if (problems_.size() >= problems_max) return;
    problems_.push_back({files_.at(place.file), place.line, place.column, std::move(message)});
  }
  bool empty() const { return problems_.empty(); }
  // In the order of the files and lines.
  std::vector<Problem> take() &&;

 private:
  std::vector<std::string> files_;
  std::vector<Problem> problems_;
};

}  // namespace mcplb::config
