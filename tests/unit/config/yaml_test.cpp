#include "config/yaml.hpp"

#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i)
    out += text;
  return out;
}

struct Parsed {
  std::optional<Node> root;
  std::string problems;
};

Parsed parse(std::string_view text) {
  Report report;
  Parsed parsed;
  parsed.root = parse_yaml(text, report.add_file("f.yaml"), report);
  Outcome outcome;
  outcome.problems = std::move(report).take();
  parsed.problems = complaints(outcome);
  return parsed;
}

Node tree(std::string_view text) {
  Parsed parsed = parse(text);
  REQUIRE(parsed.problems == "");
  REQUIRE(parsed.root.has_value());
  return *parsed.root;
}

}  // namespace

TEST_SUITE("config/yaml") {
  TEST_CASE("every value knows its line and column") {
    const Node root = tree("a: 1\nb:\n  - x\n  - {c: y}\n");
    CHECK(root.find("a")->value.place.line == 1);
    CHECK(root.find("a")->value.place.column == 4);
    const Node& map = root.find("b")->value.items.at(1);
    CHECK(map.entries.at(0).place.line == 4);
    CHECK(map.entries.at(0).place.column == 6);
    CHECK(map.entries.at(0).value.place.column == 9);
  }

  TEST_CASE("a quoted null is text and a plain one is nothing") {
    const Node root = tree("a: null\nb: \"null\"\nc: ~\nd:\n");
    CHECK(root.find("a")->value.kind == Node::Kind::nothing);
    CHECK(root.find("b")->value.text == "null");
    CHECK(root.find("c")->value.kind == Node::Kind::nothing);
    CHECK(root.find("d")->value.kind == Node::Kind::nothing);
  }

  TEST_CASE("duplicate keys are found at every depth, and the rest is still read") {
    const Parsed parsed = parse("a: 1\nb: {c: 1, c: 2}\na: [3]\n");
    CHECK(parsed.problems ==
          "2:11: duplicate key \"c\"; the first is in line 2\n"
          "3:1: duplicate key \"a\"; the first is in line 1");
    REQUIRE(parsed.root.has_value());
    CHECK(parsed.root->find("a")->value.text == "1");
  }

  TEST_CASE("aliases stand for copies, and << fills in what is missing") {
    const Node root = tree("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [{x: 7}, *a]}\n");
    CHECK(root.find("b")->value.find("x")->value.text == "1");
    CHECK(root.find("b")->value.find("y")->value.text == "3");
    CHECK(root.find("c")->value.find("x")->value.text == "7");
    CHECK(root.find("c")->value.find("y")->value.text == "2");
    CHECK(parse("<<: 1").problems == "1:5: \"<<\" wants a map or a list of maps");
  }

  TEST_CASE("JSON is read with its escapes") {
    const Node root = tree(R"({"a":"\u00e9\/\"","b":[1,true,null],"c":{}})");
    CHECK(root.find("a")->value.text == "\u00e9/\"");
    CHECK(root.find("b")->value.items.size() == 3);
    CHECK(root.find("c")->value.kind == Node::Kind::map);
  }

  TEST_CASE("a syntax error ends the file with its place") {
    const Parsed parsed = parse("a: [1, 2\nb: 3\n");
    CHECK_FALSE(parsed.root.has_value());
    CHECK(parsed.problems.rfind("2:", 0) == 0);
  }

  TEST_CASE("an unquoted variable within braces gets a hint") {
    CHECK(parse("a: {b: ${C}}").problems.find("quote variables") != std::string::npos);
  }

  TEST_CASE("keys that are not text are refused") {
    for (const char* text : {"[a]: 1", "? {a: 1}\n: 2", "~: 1", "? &a x\n: 1\n? *b\n: 2"}) {
      CAPTURE(text);
      CHECK(parse(text).problems != "");
    }
  }

  TEST_CASE("only one document is read") {
    CHECK(parse("a: 1\n---\nb: 2\n").problems == "1:1: holds more than one YAML document");
  }

  TEST_CASE("a file beyond a bound is refused instead of filling the memory") {
    const auto says = [](const std::string& text, const char* part) {
      const std::string problems = parse(text).problems;
      CAPTURE(problems);
      CHECK(problems.find(part) != std::string::npos);
    };
    says(std::string(file_bytes_max + 1, '#'), "is larger than");
    says("a: " + repeated("[", 5000) + repeated("]", 5000), "nested deeper than 32");
    says(repeated("- ", 100), "nested deeper than 32");
    says("[" + repeated("1,", 60'000) + "]", "unfolds to more values");

    std::string many_keys;
    for (int i = 0; i < 300; ++i)
      many_keys += "k" + std::to_string(i) + ": 1\n";
    says(many_keys, "more than 256 keys");

    std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 20; ++i) {
      const std::string before = "*a" + std::to_string(i - 1) + ", ";
      const std::string name = "a" + std::to_string(i);
      laughs += name + ": &" + name + " [" + repeated(before, 9) + "]\n";
    }
    says(laughs, "unfolds to more values");

    std::string wide =
        "a: &a " + std::string(100'000, 'x') + "\nb: [" + repeated("*a, ", 1000) + "]";
    says(wide, "unfolds to more values");
  }

  TEST_CASE("an alias inside of its own anchor is refused") {
    CHECK(parse("a: &a [*a]").problems.find("alias") != std::string::npos);
  }
}

}  // namespace mcplb::config
