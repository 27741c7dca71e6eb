#include "config/tree.hpp"

#include "config/yaml.hpp"
#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

Node tree(std::string_view text) {
  Report report;
  auto root = parse_yaml(text, report.add_file("f.yaml"), report);
  REQUIRE(report.empty());
  return *root;
}

struct Expanded {
  std::string text;
  std::string problems;
};

Expanded expanded(std::string_view text) {
  Report report;
  auto root = parse_yaml(text, report.add_file("f.yaml"), report);
  REQUIRE(root.has_value());
  expand(*root, environment_of({{"NAME", "value"}, {"EMPTY", ""}, {"YAML", "{a: [1, 2]}"}}),
         report);
  Outcome outcome;
  outcome.problems = std::move(report).take();
  return {root->text, complaints(outcome)};
}

}  // namespace

TEST_SUITE("config/tree") {
  TEST_CASE("variables are replaced inside scalars") {
    struct Case {
      const char* text;
      const char* wanted;
    };
    const Case cases[] = {{"\"${NAME}\"", "value"},
                          {"a${NAME}b${NAME}", "avaluebvalue"},
                          {"${OTHER:-default}", "default"},
                          {"${OTHER:-}x", "x"},
                          {"${EMPTY:-default}", "default"},
                          {"x${EMPTY}", "x"},
                          {"${NAME:-default}", "value"},
                          {"$$", "$"},
                          {"$${NAME}", "${NAME}"},
                          {"$", "$"},
                          {"a$b", "a$b"}};
    for (const Case& each : cases) {
      CAPTURE(each.text);
      const Expanded result = expanded(each.text);
      CHECK(result.problems == "");
      CHECK(result.text == each.wanted);
    }
  }

  TEST_CASE("a value that looks like YAML stays text") {
    CHECK(expanded("${YAML}").text == "{a: [1, 2]}");
  }

  TEST_CASE("a variable that is not set and has no default is a problem") {
    CHECK(expanded("${OTHER}").problems ==
          "1:1: environment variable OTHER is not set; ${OTHER:-default} would do without");
  }

  TEST_CASE("what is no variable is refused") {
    for (const char* text : {"${", "${NAME", "${}", "${1A}", "${a-b}", "${:-x}"}) {
      CAPTURE(text);
      CHECK(expanded(text).problems != "");
    }
  }

  TEST_CASE("maps merge, values and whole lists are replaced") {
    Node base = tree("{a: {x: 1, y: 2}, b: [1, 2], c: 1, d: 5}");
    merge(base, tree("{a: {y: 3, z: 4}, b: [9], c: {k: v}}"));
    CHECK(lookup(base, "a.x")->text == "1");
    CHECK(lookup(base, "a.y")->text == "3");
    CHECK(lookup(base, "a.z")->text == "4");
    CHECK(lookup(base, "b")->items.size() == 1);
    CHECK(lookup(base, "c.k")->text == "v");
    CHECK(lookup(base, "d")->text == "5");
  }

  TEST_CASE("places fall back to what is nearest") {
    const Node root = tree("a:\n  - x: 1\n    y:\n");
    CHECK(place_of(root, "a[0].x").column == 8);
    CHECK(place_of(root, "a[0].y").column == 5);
    CHECK(place_of(root, "a[0].z").line == 2);
    CHECK(place_of(root, "a[7].z").line == 2);
    CHECK(place_of(root, "b").line == 1);
    CHECK(lookup(root, "a[0].z") == nullptr);
    CHECK(lookup(root, "a.x") == nullptr);
  }
}

}  // namespace mcplb::config
