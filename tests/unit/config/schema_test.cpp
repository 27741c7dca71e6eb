#include "config/schema.hpp"

#include <set>

#include <nlohmann/json.hpp>

#include "config/values.hpp"
#include "unit/config/loading.hpp"

namespace mcplb::config {

TEST_SUITE("config/schema") {
  TEST_CASE("every row has a sentence, a place and a path of its own") {
    std::set<std::string_view> paths{""};
    for (const Row& row : schema()) {
      CAPTURE(row.path);
      CHECK(row.doc.size() > 3);
      CHECK(row.doc.back() == '.');
      CHECK(paths.contains(row.parent()));
      CHECK(paths.insert(row.path).second);
    }
  }

  TEST_CASE("every leaf has a field, and numbers have a range") {
    for (const Row& row : schema()) {
      CAPTURE(row.path);
      CHECK(row.is_leaf() == static_cast<bool>(row.access));
    }
    for (const Row& row : schema()) {
      const bool ranged = row.kind == Kind::duration || row.kind == Kind::size ||
                          row.kind == Kind::integer || row.kind == Kind::percent;
      CAPTURE(row.path);
      if (ranged) CHECK(row.max > row.min);
      CHECK((row.kind == Kind::choice) == !row.choices.empty());
    }
  }

  TEST_CASE("a row knows its key and its parent") {
    Row row;
    row.path = "pools[].routes[]";
    CHECK(row.key() == "routes");
    CHECK(row.parent() == "pools[]");
    row.path = "workers";
    CHECK(row.key() == "workers");
    CHECK(row.parent() == "");
  }

  TEST_CASE("the JSON schema has every key, with its type and default") {
    const auto schema_json = nlohmann::json::parse(json_schema());
    CHECK(schema_json["additionalProperties"] == false);
    const auto& pool = schema_json["properties"]["pools"]["items"];
    CHECK(pool["required"] == nlohmann::json::array({"backends"}));
    CHECK(pool["properties"]["retries"]["default"] == 2);
    CHECK(pool["properties"]["retries"]["anyOf"][0]["maximum"] == 10);
    CHECK(pool["properties"]["balance"]["anyOf"][0]["enum"].size() == 3);
    CHECK(pool["properties"]["heartbeat"]["default"] == "15s");
    CHECK(pool["properties"]["sessions"]["properties"]["delete_on_expiry"]["default"] == true);
    CHECK(schema_json["properties"]["workers"]["default"] == "auto");
    CHECK(schema_json["properties"]["secrets"]["default"] == nlohmann::json::array());
  }
}

}  // namespace mcplb::config
