#include "config/reader.hpp"

#include <optional>

#include "config/schema.hpp"
#include "config/values.hpp"

namespace mcplb::config {
namespace {

class Reader {
 public:
  explicit Reader(Report& report) : report_(report) {}

  // `path` is the schema's ("pools[].health"), `shown` the operator's ("pools[0].health"), and
  // `scope` the struct that the rows' access functions expect there.
  void read_map(const Node& node, std::string_view path, const std::string& shown, void* scope) {
    if (node.kind == Node::Kind::nothing) return;
    if (node.kind != Node::Kind::map) {
      report_.add(node.place, (shown.empty() ? "the file" : shown) + " wants keys, as in \"" +
                                  std::string(children(path).front()->key()) + ": …\"");
      return;
    }
    for (const Entry& entry : node.entries) {
      const Row* row = child(path, entry.key);
      if (row == nullptr) {
        report_.add(entry.place, unknown_key(path, shown, entry.key));
        continue;
      }
      read(entry.value, *row, joined_path(shown, entry.key), scope);
    }
  }

 private:
  static const Row* child(std::string_view path, std::string_view key) {
    for (const Row* row : children(path)) {
      if (row->key() == key) return row;
    }
    return nullptr;
  }

  void read(const Node& node, const Row& row, const std::string& shown, void* scope) {
    // "key:" without a value leaves the default.
    if (node.kind == Node::Kind::nothing) return;
    switch (row.kind) {
      case Kind::section:
        return read_map(node, row.path, shown, scope);
      case Kind::list:
        return read_list(node, row, shown, scope);
      case Kind::text_list:
        return read_texts(node, row, shown, scope);
      default:
        return read_leaf(node, row, shown, scope);
    }
  }

  bool wants_list(const Node& node, const std::string& shown) {
    if (node.kind == Node::Kind::list) return true;
    report_.add(node.place, shown + " wants a list: each element begins with \"- \"");
    return false;
  }

  void read_list(const Node& node, const Row& row, const std::string& shown, void* scope) {
    if (!wants_list(node, shown)) return;
    row.list.resize(scope, node.items.size());
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const std::string element = shown + '[' + std::to_string(i) + ']';
      read_map(node.items[i], row.path, element, row.list.at(scope, i));
    }
  }

  // The value of one scalar, or nothing when something is wrong with it.
  std::optional<Value> value_of(const Node& node, const Row& row, const std::string& shown) {
    if (node.kind != Node::Kind::scalar) {
      report_.add(node.place, shown + " wants one value");
      return std::nullopt;
    }
    ParsedValue parsed = parse_value(row, node.text);
    if (parsed.wrong.empty()) return std::move(parsed.value);
    report_.add(node.place, shown + ": " + parsed.wrong);
    return std::nullopt;
  }

  void read_texts(const Node& node, const Row& row, const std::string& shown, void* scope) {
    if (!wants_list(node, shown)) return;
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const std::string element = shown + '[' + std::to_string(i) + ']';
      auto value = value_of(node.items[i], row, element);
      if (value) texts.push_back(std::get<std::string>(std::move(*value)));
    }
    row.access.set(scope, std::move(texts));
  }

  void read_leaf(const Node& node, const Row& row, const std::string& shown, void* scope) {
    auto value = value_of(node, row, shown);
    if (value) row.access.set(scope, *value);
  }

  Report& report_;
};

}  // namespace

void read_settings(const Node& root, Settings& settings, Report& report) {
  Reader(report).read_map(root, "", "", &settings);
}

}  // namespace mcplb::config
