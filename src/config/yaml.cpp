#include "config/yaml.hpp"

#include <exception>
#include <sstream>
#include <unordered_map>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "mcplb/base/text.hpp"

namespace mcplb::config {
namespace {

// What a tree costs to copy, and how deep it is.
struct Size {
  std::size_t nodes = 0;
  std::size_t bytes = 0;
  std::size_t depth = 0;
};

Size size_of(const Node& node) {
  Size size{1, node.text.size(), 0};
  std::size_t depth = 0;
  const auto add = [&](const Node& child) {
    const Size inner = size_of(child);
    size.nodes += inner.nodes;
    size.bytes += inner.bytes;
    depth = std::max(depth, inner.depth);
  };
  for (const Node& item : node.items)
    add(item);
  for (const Entry& entry : node.entries) {
    size.bytes += entry.key.size();
    add(entry.value);
  }
  const bool nests = node.kind == Node::Kind::list || node.kind == Node::Kind::map;
  size.depth = nests ? depth + 1 : 0;
  return size;
}

// Builds our tree from the parser's events. Events instead of YAML::Node, because only they show
// duplicate keys and let us stop a file that unfolds to more than it weighs. After such a stop the
// events go on, to no effect.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::size_t file, Report& report) : file_(file), report_(report) {}
  bool stopped() const { return stopped_; }
  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (charge(mark, {1, 0, 0})) add(mark, make(mark, Node::Kind::nothing), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (!charge(mark, {1, value.size(), 0})) return;
    Node node = make(mark, Node::Kind::scalar);
    node.text = value;
    // A quoted "<<" is a key like any other; only the plain one merges.
    merge_key_ = tag != "!" && value == "<<";
    add(mark, std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return stop(mark, "an alias stands inside of what it names");
    if (!charge(mark, size_of(found->second))) return;
    merge_key_ = false;
    add(mark, found->second, 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, Node::Kind::list, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, Node::Kind::map, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    YAML::Mark mark;
    // Of a map, between a key and its value. A duplicate's value is read and dropped.
    bool has_key = false;
    bool merges = false;
    bool duplicate = false;
    Entry entry;
    std::vector<Node> merged;
  };

  Node make(const YAML::Mark& mark, Node::Kind kind) const {
    Node node;
    node.kind = kind;
    node.place = place(mark);
    return node;
  }
  Place place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  void open(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
    if (wants_key()) return stop(mark, "a key has to be plain text");
    if (!charge(mark, {1, 0, 1})) return;
    Open opened;
    opened.node = make(mark, kind);
    opened.anchor = anchor;
    opened.mark = mark;
    open_.push_back(std::move(opened));
  }

  void close() {
    if (stopped_) return;
    Open closed = std::move(open_.back());
    open_.pop_back();
    for (Node& from : closed.merged)
      merge_into(closed.node, from);
    add(closed.mark, std::move(closed.node), closed.anchor);
  }

  bool wants_key() const {
    return !open_.empty() && open_.back().node.kind == Node::Kind::map && !open_.back().has_key;
  }

  void stop(const YAML::Mark& mark, std::string why) {
    if (!std::exchange(stopped_, true)) report_.add(place(mark), std::move(why));
  }

  // Counts before anything is copied: "billion laughs" ends here. False after a stop.
  bool charge(const YAML::Mark& mark, const Size& size) {
    spent_.nodes += size.nodes;
    spent_.bytes += size.bytes;
    if (spent_.nodes > file_nodes_max || spent_.bytes > 2 * file_bytes_max) {
      stop(mark, "unfolds to more values than a configuration can need");
    } else if (open_.size() + size.depth > file_depth_max) {
      stop(mark, "is nested deeper than " + std::to_string(file_depth_max));
    }
    return !stopped_;
  }

  void add(const YAML::Mark& mark, Node node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      if (!charge(mark, size_of(node))) return;
      anchors_[anchor] = node;
    }
    if (wants_key()) {
      take_key(mark, std::move(node));
    } else {
      take_value(std::move(node));
    }
  }

  void take_key(const YAML::Mark& mark, Node node) {
    if (node.kind != Node::Kind::scalar) return stop(mark, "a key has to be plain text");
    Open& map = open_.back();
    map.has_key = true;
    map.merges = merge_key_;
    map.entry.place = node.place;
    map.entry.key = std::move(node.text);
    const Entry* first = map.node.find(map.entry.key);
    map.duplicate = first != nullptr;
    if (map.duplicate) {
      report_.add(place(mark), "duplicate key \"" + escaped(map.entry.key) +
                                   "\"; the first is in line " + std::to_string(first->place.line));
    }
    if (map.node.entries.size() >= map_keys_max) {
      stop(mark, "more than " + std::to_string(map_keys_max) + " keys");
    }
  }

  void take_value(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::list) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    parent.has_key = false;
    if (parent.merges) {
      take_merge(parent, std::move(node));
    } else if (!parent.duplicate) {
      parent.entry.value = std::move(node);
      parent.node.entries.push_back(std::move(parent.entry));
    }
    parent.entry = {};
  }

  // The value of `<<`: a map, or a list of maps of which the earlier ones win.
  void take_merge(Open& parent, Node node) {
    if (node.kind == Node::Kind::map) {
      parent.merged.push_back(std::move(node));
      return;
    }
    for (Node& item : node.items) {
      if (item.kind == Node::Kind::map) parent.merged.push_back(std::move(item));
    }
    if (node.kind != Node::Kind::list)
      report_.add(node.place, "\"<<\" wants a map or a list of maps");
  }

  static void merge_into(Node& map, Node& from) {
    for (Entry& entry : from.entries) {
      if (map.find(entry.key) == nullptr && map.entries.size() < map_keys_max) {
        map.entries.push_back(std::move(entry));
      }
    }
  }

  std::size_t file_;
  Report& report_;
  Node root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Node> anchors_;
  Size spent_;
  bool merge_key_ = false;
  bool stopped_ = false;
};

// The text of yaml-cpp's exceptions without the position, which the place already tells.
std::string message_of(const YAML::Exception& error, std::string_view text) {
  const bool in_flow = error.msg.find("flow") != std::string::npos;
  const bool has_variable = text.find("${") != std::string_view::npos;
  const char* hint =
      in_flow && has_variable ? "; within { } and [ ] quote variables: \"${NAME}\"" : "";
  return escaped(error.msg) + hint;
}

Place place_of(const YAML::Exception& error, std::size_t file) {
  if (error.mark.is_null()) return {file, 1, 1};
  return {file, error.mark.line + 1, error.mark.column + 1};
}

}  // namespace

std::optional<Node> parse_yaml(std::string_view text, std::size_t file, Report& report) {
  if (text.size() > file_bytes_max) {
    report.add({file, 1, 1}, "is larger than " + std::to_string(file_bytes_max) + " bytes");
    return std::nullopt;
  }
  Builder builder(file, report);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    Node root = builder.take();
    if (root.place.line == 0) root.place = {file, 1, 1};  // an empty document has no events
    const bool more = !builder.stopped() && parser.HandleNextDocument(builder);
    if (!more && !builder.stopped()) return root;
    if (more) report.add({file, 1, 1}, "holds more than one YAML document");
  } catch (const YAML::Exception& error) {
    // What yaml-cpp trips over after a stop is of no interest.
    if (!builder.stopped()) report.add(place_of(error, file), message_of(error, text));
  } catch (const std::exception& error) {
    report.add({file, 1, 1}, "cannot be read as YAML: " + escaped(error.what()));
  }
  return std::nullopt;
}

}  // namespace mcplb::config
