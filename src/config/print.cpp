#include "config/print.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "mcplb/base/text.hpp"

#include "config/schema.hpp"
#include "config/values.hpp"

namespace mcplb::config {
namespace {

constexpr std::string_view mask = "***";
constexpr std::size_t columns_max = 100;

bool is_plain_char(char c) {
  const char lower = ascii_lower(c);
  return is_digit(c) || (lower >= 'a' && lower <= 'z') ||
         std::string_view("_./-%").find(c) != std::string_view::npos;
}

// Texts that YAML, or a person, would take for something else when they are not quoted.
bool wants_quotes(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_plain_char)) return true;
  if (is_digit(text.front()) || text.front() == '-' || text.front() == '.') return true;
  for (const std::string_view word :
       {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}) {
    if (equals_ignoring_case(text, word)) return true;
  }
  return text.front() == '%';
}

// Double quoted, as YAML and JSON both read it. "$" is doubled, so that loading leaves it alone.
std::string in_quotes(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
      if (c == '$') out += c;
    }
  }
  return out + '"';
}

std::string yaml_text(const std::string& text) {
  return wants_quotes(text) ? in_quotes(text) : text;
}

std::string masked(const Row& row, const std::string& text) {
  return row.secret && !text.empty() ? std::string(mask) : text;
}

std::string yaml_value(const Row& row, const Value& value) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    std::string out = "[";
    for (const std::string& text : *texts) {
      if (out.size() > 1) out += ", ";
      out += in_quotes(masked(row, text));
    }
    return out + ']';
  }
  const std::string text = masked(row, value_text(row, value));
  const bool is_text = row.kind == Kind::text || row.kind == Kind::choice;
  return is_text ? yaml_text(text) : text;
}

// What follows "#" in the example: the choices and the meaning.
std::string documentation(const Row& row) {
  std::string out = choices_text(row, " | ");
  if (!out.empty()) out += ". ";
  out += row.doc;
  if (needs_restart(row)) out += ' ' + std::string(restart_note(row));
  return out;
}

// Comment lines that start at `start` and break between words.
std::string wrapped(const std::string& start, std::string_view comment) {
  std::string out;
  std::string line = start + '#';
  while (!comment.empty()) {
    const std::string_view word = comment.substr(0, comment.find(' '));
    if (line.size() + 1 + word.size() > columns_max) {
      out += line + '\n';
      line = start + '#';
    }
    line += ' ' + std::string(word);
    comment.remove_prefix(std::min(comment.size(), word.size() + 1));
  }
  return out + line + '\n';
}

class Printer {
 public:
  // `documented`: with what every key means.
  explicit Printer(bool documented) : documented_(documented) {}

  void print(std::string_view path, const void* scope, std::size_t indent) {
    for (const Row* row : children(path)) {
      if (row->kind == Kind::list) {
        print_list(*row, scope, indent);
      } else if (row->kind == Kind::section) {
        print_section(*row, scope, indent);
      } else {
        print_leaf(*row, scope, indent);
      }
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void print_section(const Row& row, const void* scope, std::size_t indent) {
    add_line(indent, std::string(row.key()) + ':', row);
    print(row.path, scope, indent + 2);
  }

  void print_list(const Row& row, const void* scope, std::size_t indent) {
    const std::size_t size = row.list.size(scope);
    add_line(indent, std::string(row.key()) + (size == 0 ? ": []" : ":"), row);
    for (std::size_t i = 0; i < size; ++i) {
      dash_ = true;
      print(row.path, row.list.const_at(scope, i), indent + 4);
    }
  }

  void print_leaf(const Row& row, const void* scope, std::size_t indent) {
    const Value value = value_in(row, scope);
    const std::string line = std::string(row.key()) + ": " + yaml_value(row, value);
    add_line(indent, line, row);
  }

  // One line of a key, with its comment behind it or, when that gets too long, above it.
  void add_line(std::size_t indent, const std::string& line, const Row& row) {
    const std::string comment = documented_ ? documentation(row) : "";
    std::string start(indent, ' ');
    if (documented_ && row.parent().empty()) out_ += '\n';
    const bool above = start.size() + line.size() + comment.size() + 4 > columns_max;
    if (above) out_ += wrapped(start, comment);
    if (std::exchange(dash_, false)) start[indent - 2] = '-';
    out_ += start + line;
    if (!above && !comment.empty()) out_ += "  # " + comment;
    out_ += '\n';
  }

  bool documented_;
  bool dash_ = false;        // the next line is the first of a list's element
  std::string out_;
};

using Json = nlohmann::ordered_json;

Json json_value(const Row& row, const Value& value) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    Json list = Json::array();
    for (const std::string& text : *texts) list.push_back(masked(row, text));
    return list;
  }
  const std::string text = masked(row, value_text(row, value));
  if (row.kind == Kind::boolean) return text == "true";
  const bool is_number = row.kind == Kind::integer || row.kind == Kind::count_or_auto;
  if (is_number && text != "auto") return std::get<std::int64_t>(value);
  return text;
}

Json json_of(std::string_view path, const void* scope) {
  Json body = Json::object();
  for (const Row* row : children(path)) {
    Json& at = body[std::string(row->key())];
    if (row->kind == Kind::list) {
      at = Json::array();
      for (std::size_t i = 0; i < row->list.size(scope); ++i)
        at.push_back(json_of(row->path, row->list.const_at(scope, i)));
    } else if (row->kind == Kind::section) {
      at = json_of(row->path, scope);
    } else {
      at = json_value(*row, value_in(*row, scope));
    }
  }
  return body;
}

}  // namespace

std::string shown_value(const Row& row, const void* scope) {
  return yaml_value(row, value_in(row, scope));
}

std::string print_effective(const Settings& settings) {
  Printer printer(false);
  printer.print("", &settings, 0);
  return printer.take();
}

std::string print_effective_json(const Settings& settings) {
  return json_of("", &settings).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string every_key_example() {
  Settings settings;
  PoolSettings pool;
  BackendEntry entry;
  entry.backend.host = "127.0.0.1";
  entry.backend.port = 3001;
  pool.backends.push_back(entry);
  settings.pools.push_back(pool);
  Printer printer(true);
  printer.print("", &settings, 0);
  return "# Every key at its default. Made from the schema: see src/config/README.md.\n"
         "# yaml-language-server: $schema=mcplb.schema.json\n" +
         printer.take();
}

}  // namespace mcplb::config
