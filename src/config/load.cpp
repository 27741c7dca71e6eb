#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "mcplb/config/config.hpp"

#include "config/finish.hpp"
#include "config/reader.hpp"
#include "config/tree.hpp"
#include "config/yaml.hpp"

namespace mcplb::config {
namespace {

Node scalar(std::string text, const Place& place) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = std::move(text);
  node.place = place;
  return node;
}

Node map_of(std::string key, Node value) {
  Node node;
  node.kind = Node::Kind::map;
  node.place = value.place;
  node.entries.push_back({std::move(key), value.place, {}});
  node.entries.back().value = std::move(value);
  return node;
}

Node list_of(Node item) {
  Node node;
  node.kind = Node::Kind::list;
  node.place = item.place;
  node.items.push_back(std::move(item));
  return node;
}

// The text of a file; one byte more than allowed is enough to see that it is too long.
bool read_file(const std::string& name, std::string& text, std::string& why) {
  errno = 0;
  std::ifstream stream(name, std::ios::binary);
  text.resize(file_bytes_max + 1);
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.eof() && stream.fail()) {
    why = errno == 0 ? "cannot be read" : std::string("cannot be read: ") + std::strerror(errno);
    return false;
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return true;
}

// The flags as a tree that wins over the files. `$` is doubled, as the shell had its turn.
class FlagTree {
 public:
  explicit FlagTree(Report& report) : report_(report) {}

  void apply(Node& root, const Flags& flags) {
    if (!flags.admin.empty()) {
      merge(root, map_of("admin", map_of("address", value("--admin", flags.admin))));
    }
    if (!flags.workers.empty()) merge(root, map_of("workers", value("--workers", flags.workers)));
    if (flags.listen.empty()) return;
    Node listener = map_of("address", value("--listen", flags.listen));
    const Node* name = lookup(root, "listeners[0].name");
    if (name != nullptr) merge(listener, map_of("name", *name));
    merge(root, map_of("listeners", list_of(std::move(listener))));
  }

  Node pool_of(std::span<const std::string> urls) {
    Node backends;
    backends.kind = Node::Kind::list;
    for (const std::string& url : urls) {
      backends.items.push_back(map_of("url", value("--backend", url)));
      backends.place = backends.items.back().place;
    }
    return map_of("pools", list_of(map_of("backends", std::move(backends))));
  }

 private:
  Node value(std::string_view flag, std::string_view text) {
    std::string escaped_dollars;
    for (const char c : text)
      escaped_dollars += c == '$' ? "$$" : std::string(1, c);
    return scalar(std::move(escaped_dollars), {report_.add_file(flag), 0, 0});
  }

  Report& report_;
};

void inspect(const Node& root, const Settings& settings, const Inspection& inspection,
             Report& report) {
  for (const Complaint& complaint : inspection(settings)) {
    report.add(place_of(root, complaint.path), complaint.path + ": " + complaint.message);
  }
}

// `complete` is false when a file could not be read or parsed: what is missing from the tree then
// says nothing about what the operator wrote.
Outcome finish(Node root, bool complete, const Environment& environment, Report& report,
               const Inspection& inspection = {}) {
  Outcome outcome;
  Settings& settings = outcome.loaded.settings;
  if (complete) {
    expand(root, environment, report);
    read_settings(root, settings, report);
    finish_settings(root, settings, report);
    if (inspection && report.empty()) inspect(root, settings, inspection, report);
    outcome.loaded.notes = notes_on(settings);
  }
  outcome.problems = std::move(report).take();
  return outcome;
}

// Puts one file onto the tree; false when it cannot be read or parsed.
bool add_file(const std::string& name, Node& root, Report& report) {
  const Place start{report.add_file(name), 0, 0};
  std::string text;
  std::string why;
  if (!read_file(name, text, why)) {
    report.add(start, why);
    return false;
  }
  auto parsed = parse_yaml(text, start.file, report);
  if (!parsed) return false;
  // A file of nothing but comments takes nothing back.
  const bool first = root.kind == Node::Kind::nothing;
  if (first || parsed->kind != Node::Kind::nothing) merge(root, std::move(*parsed));
  return true;
}

}  // namespace

std::string to_string(const Problem& problem) {
  if (problem.line == 0) return problem.file + ": " + problem.message;
  return problem.file + ':' + std::to_string(problem.line) + ':' + std::to_string(problem.column) +
         ": " + problem.message;
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Outcome load(std::span<const std::string> files, const Environment& environment,
             const Flags& flags, const Inspection& inspection) {
  Report report;
  Node root;
  bool complete = true;
  for (const std::string& name : files)
    complete = add_file(name, root, report) && complete;
  if (files.empty()) report.add_file("configuration");
  FlagTree(report).apply(root, flags);
  return finish(std::move(root), complete, environment, report, inspection);
}

Outcome load_text(std::string_view name, std::string_view text, const Environment& environment) {
  Report report;
  auto root = parse_yaml(text, report.add_file(name), report);
  return finish(root ? std::move(*root) : Node{}, root.has_value(), environment, report);
}

Outcome defaults_for_backends(std::span<const std::string> urls, const Flags& flags) {
  Report report;
  FlagTree tree(report);
  report.add_file("--backend");
  Node root = tree.pool_of(urls);
  tree.apply(root, flags);
  return finish(std::move(root), true, {}, report);
}

}  // namespace mcplb::config
