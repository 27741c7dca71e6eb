#include "config/tree.hpp"

#include <tuple>
#include <utility>

#include "mcplb/base/text.hpp"

namespace mcplb::config {
namespace {

// Replaces the variables of one tree and counts what that adds up to.
class Expander {
 public:
  Expander(const Environment& environment, Report& report)
      : environment_(environment),
        report_(report) {}

  void expand(Node& node) {
    if (node.text.find('$') != std::string::npos) node.text = expanded(node);
    for (Node& item : node.items)
      expand(item);
    for (Entry& entry : node.entries)
      expand(entry.value);
  }

 private:
  std::string expanded(const Node& node) {
    std::string out;
    std::string_view rest = node.text;
    while (!rest.empty()) {
      const std::size_t dollar = rest.find('$');
      out += rest.substr(0, dollar);
      if (dollar == std::string_view::npos) break;
      rest.remove_prefix(dollar);
      rest.remove_prefix(replace(node.place, rest, out));
    }
    return out;
  }

  // `text` begins with '$'. Appends what it stands for and returns how much of it was used.
  std::size_t replace(const Place& place, std::string_view text, std::string& out) {
    const char next = text.size() > 1 ? text[1] : '\0';
    if (next != '{') {
      out += '$';
      return next == '$' ? 2 : 1;
    }
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos) {
      report_.add(place, "\"${\" without \"}\"; write $$ for a plain $");
      return text.size();
    }
    const std::string value = variable(place, text.substr(2, end - 2));
    bytes_ += value.size();
    if (bytes_ <= expanded_bytes_max) {
      out += value;
    } else if (!std::exchange(too_much_, true)) {
      report_.add(place, "the replaced variables add up to more than " +
                             std::to_string(expanded_bytes_max) + " bytes");
    }
    return end + 1;
  }

  // `inside` is what stands between the braces.
  std::string variable(const Place& place, std::string_view inside) {
    const std::size_t separator = inside.find(":-");
    const std::string name(inside.substr(0, separator));
    if (!is_name(name)) {
      report_.add(place, "\"${" + escaped(inside) + "}\" names no environment variable");
      return "";
    }
    const auto value = environment_ ? environment_(name) : std::nullopt;
    if (separator != std::string_view::npos) {
      return value && !value->empty() ? *value : std::string(inside.substr(separator + 2));
    }
    if (value) return *value;
    report_.add(place, "environment variable " + name + " is not set; ${" + name +
                           ":-default} would do without");
    return "";
  }

  static bool is_name(std::string_view name) {
    if (name.empty() || is_digit(name.front())) return false;
    for (const char c : name) {
      const char lower = ascii_lower(c);
      if (!is_digit(c) && c != '_' && (lower < 'a' || lower > 'z')) return false;
    }
    return true;
  }

  const Environment& environment_;
  Report& report_;
  std::size_t bytes_ = 0;
  bool too_much_ = false;
};

// Takes "pools" from "pools[0].name", or "[0]" from "[0].name".
std::string_view take_step(std::string_view& path) {
  const std::size_t end = path.find_first_of(".[", path.front() == '[' ? 1 : 0);
  const std::string_view step = path.substr(0, end);
  path.remove_prefix(step.size());
  if (!path.empty() && path.front() == '.') path.remove_prefix(1);
  return step;
}

struct Found {
  const Node* node = nullptr;  // the value, or nothing
  Place place;
};

Found find(const Node& root, std::string_view path) {
  Found found{&root, root.place};
  while (!path.empty() && found.node != nullptr) {
    const std::string_view step = take_step(path);
    const Node& parent = *found.node;
    if (step.front() == '[') {
      const auto index = parse_decimal(step.substr(1, step.size() - 2));
      const bool exists = index && *index < parent.items.size();
      found.node = exists ? &parent.items[*index] : nullptr;
      const bool placed = exists && found.node->kind != Node::Kind::nothing;
      if (placed) found.place = found.node->place;
      continue;
    }
    const Entry* entry = parent.find(step);
    found.node = entry == nullptr ? nullptr : &entry->value;
    if (entry == nullptr) continue;
    found.place = entry->value.kind == Node::Kind::nothing ? entry->place : entry->value.place;
  }
  return found;
}

}  // namespace

std::vector<Problem> Report::take() && {
  const auto order = [&](const Problem& problem) {
    const auto file = std::find(files_.begin(), files_.end(), problem.file);
    return std::tuple(file - files_.begin(), problem.line, problem.column);
  };
  std::stable_sort(problems_.begin(), problems_.end(),
                   [&](const Problem& a, const Problem& b) { return order(a) < order(b); });
  return std::move(problems_);
}

void merge(Node& base, Node over) {
  if (base.kind != Node::Kind::map || over.kind != Node::Kind::map) {
    base = std::move(over);
    return;
  }
  for (Entry& entry : over.entries) {
    Entry* known = base.find(entry.key);
    if (known == nullptr) {
      base.entries.push_back(std::move(entry));
    } else {
      known->place = entry.place;
      merge(known->value, std::move(entry.value));
    }
  }
}

void expand(Node& node, const Environment& environment, Report& report) {
  Expander(environment, report).expand(node);
}

const Node* lookup(const Node& root, std::string_view path) {
  return find(root, path).node;
}

Place place_of(const Node& root, std::string_view path) {
  return find(root, path).place;
}

}  // namespace mcplb::config
