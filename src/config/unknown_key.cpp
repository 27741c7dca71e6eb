#include <numeric>

#include "mcplb/base/text.hpp"

#include "config/reader.hpp"
#include "config/schema.hpp"

namespace mcplb::config {
namespace {

constexpr std::size_t compared_bytes_max = 64;

// Levenshtein's, by rows.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> distances(b.size() + 1);
  std::iota(distances.begin(), distances.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = distances[0];
    distances[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (ascii_lower(a[i]) == ascii_lower(b[j]) ? 0 : 1);
      diagonal = distances[j + 1];
      distances[j + 1] = std::min({changed, diagonal + 1, distances[j] + 1});
    }
  }
  return distances.back();
}

// The first key of that name anywhere else.
const Row* elsewhere(std::string_view key) {
  for (const Row& row : schema()) {
    if (row.key() == key) return &row;
  }
  return nullptr;
}

}  // namespace

std::string unknown_key(std::string_view path, std::string_view shown, std::string_view key) {
  const std::vector<const Row*> known = children(path);
  const std::string_view compared = key.substr(0, compared_bytes_max);
  const Row* nearest = nullptr;
  std::size_t nearest_distance = 0;
  for (const Row* row : known) {
    const std::size_t distance = edit_distance(compared, row->key());
    if (nearest == nullptr || distance < nearest_distance) {
      nearest = row;
      nearest_distance = distance;
    }
  }
  std::string message = "unknown key \"" + escaped(key, compared_bytes_max) + '"';
  if (!shown.empty()) message += " in " + std::string(shown);
  const Row* other = elsewhere(key);
  if (other != nullptr && nearest_distance > 2) {
    const std::string_view around = other->parent();
    return message + "; it belongs " +
           (around.empty() ? "to the top level" : "in " + std::string(around));
  }
  if (nearest == nullptr) return message;
  return message + "; did you mean \"" + std::string(nearest->key()) + "\"?";
}

}  // namespace mcplb::config
