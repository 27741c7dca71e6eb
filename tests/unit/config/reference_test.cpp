// docs/configuration.md is made from the schema's table. MCPLB_UPDATE_CONF=1 rewrites it.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "config/print.hpp"
#include "config/values.hpp"
#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

constexpr const char* page_path = "docs/configuration.md";

constexpr std::string_view introduction = R"(# Configuration reference

Made from the table that the parser reads (`src/config/schema.cpp`): a test keeps this page equal to
it. How to write a file is told in the [quick start](quick-start.md#3-write-a-file).

- The file is YAML, so JSON as well. Unknown and duplicate keys are errors, which name the nearest.
- Durations and sizes carry units: `250ms`, `30s`, `5m`, `1h`; `512B`, `64KiB`, `4MiB`, `1GiB`.
- `${NAME}` and `${NAME:-default}` are replaced inside values. An unset name without a default is an
  error. A plain `$` is written `$$`.
- Every key has a default but `pools[].backends`. `[]` marks a list of maps.
- *reload*: SIGHUP or `mcplb reload` applies it ([how](reload.md)). *restart*: a reload that would
  change it is refused as a whole, and nothing changes.
- `mcplb check -c FILE` prints all values that hold; `mcplb schema` prints the JSON Schema for
  editors; [conf/every-key.yaml](../conf/every-key.yaml) is this page as a file.
)";

constexpr std::string_view table_head =
    "\n| key | value | default | what it does | changed by |\n|---|---|---|---|---|\n";

std::string in_code(std::string_view text) {
  return '`' + std::string(text) + '`';
}

// Inside of a table a bar would end the cell, and stars would begin emphasis.
std::string in_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '*') out += '\\';
    out += c;
  }
  return out;
}

std::string type_text(const Row& row) {
  const std::string range = range_text(row);
  const std::string tail = range.empty() ? "" : ", " + range;
  switch (row.kind) {
    case Kind::duration:
      return "duration" + tail;
    case Kind::size:
      return "size" + tail;
    case Kind::integer:
      return "number" + tail;
    case Kind::count_or_auto:
      return range;
    case Kind::percent:
      return "percentage" + tail;
    case Kind::boolean:
      return "`true`, `false`";
    case Kind::choice:
      return in_code(choices_text(row, "`, `"));
    case Kind::text_list:
      return "list of texts";
    default:
      return "text";
  }
}

std::string default_text(const Row& row, const void* scope) {
  if (row.secret) return row.kind == Kind::text_list ? "none" : "empty";
  const std::string shown = shown_value(row, scope);
  return shown == "\"\"" ? "empty" : in_code(shown);
}

class Page {
 public:
  std::string made() {
    const Settings defaults;
    out_ = introduction;
    out_ += "\n## Top level\n";
    leaves("", &defaults);
    below("", &defaults);
    return std::move(out_);
  }

 private:
  void leaves(std::string_view path, const void* scope) {
    bool headed = false;
    for (const Row* row : children(path)) {
      if (!row->is_leaf()) continue;
      if (!headed) out_ += table_head;
      headed = true;
      leaf(*row, scope);
    }
  }

  void leaf(const Row& row, const void* scope) {
    out_ += "| " + in_code(row.key()) + " | " + type_text(row) + " | " + default_text(row, scope) +
            " | " + in_cell(row.doc) + " | " + (needs_restart(row) ? "restart" : "reload") + " |\n";
  }

  void below(std::string_view path, const void* scope) {
    for (const Row* row : children(path)) {
      if (row->is_leaf()) continue;
      out_ += "\n## " + std::string(row->path) + "\n\n" + std::string(row->doc);
      const bool fixed = row->kind == Kind::list && needs_restart(*row);
      out_ += fixed ? ' ' + std::string(restart_note(*row)) + '\n' : "\n";
      const void* const inside = row->kind == Kind::list ? row->list.fresh() : scope;
      leaves(row->path, inside);
      below(row->path, inside);
    }
  }

  std::string out_;
};

std::string content_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_SUITE("config/reference") {
  TEST_CASE("docs/configuration.md is made from the schema") {
    const std::string wanted = Page().made();
    if (std::getenv("MCPLB_UPDATE_CONF") != nullptr) {
      std::ofstream(page_path, std::ios::binary) << wanted;
    }
    CHECK_MESSAGE(content_of(page_path) == wanted,
                  page_path << " differs: see src/config/README.md");
  }

  TEST_CASE("every key of the schema says what it does, in a sentence") {
    for (const Row& row : schema()) {
      CAPTURE(row.path);
      CHECK(row.doc.size() >= 8);
      CHECK((row.doc.back() == '.' || row.doc.back() == ')'));
    }
  }
}

}  // namespace mcplb::config
