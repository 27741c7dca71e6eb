#include <nlohmann/json.hpp>

#include "mcplb/config/config.hpp"

#include "config/schema.hpp"
#include "config/values.hpp"

namespace mcplb::config {
namespace {

using Json = nlohmann::ordered_json;

Json object_at(std::string_view path, const void* defaults);

Json reference_to(std::string_view definition) {
  return {{"$ref", "#/definitions/" + std::string(definition)}};
}

// In draft 7 what stands beside a $ref is ignored; beside an allOf it is not.
Json described_by(std::string_view definition) {
  return {{"allOf", Json::array({reference_to(definition)})}};
}

// A value of its own type, or a text with a variable that becomes one.
Json or_variable(Json type) {
  return {{"anyOf", Json::array({std::move(type), reference_to("variable")})}};
}

Json with_range(Json type, const Row& row) {
  type["minimum"] = row.min;
  type["maximum"] = row.max;
  return type;
}

Json choice_type(const Row& row) {
  Json names = Json::array();
  for (const Choice& choice : row.choices)
    names.push_back(choice.name);
  return {{"enum", std::move(names)}};
}

Json type_of(const Row& row) {
  switch (row.kind) {
    case Kind::duration:
      return described_by("duration");
    case Kind::size:
      return described_by("size");
    case Kind::percent:
      return described_by("percent");
    case Kind::ratio:
      return or_variable({{"type", "number"}, {"minimum", 0}, {"maximum", 1}});
    case Kind::integer:
      return or_variable(with_range({{"type", "integer"}}, row));
    case Kind::count_or_auto: {
      Json number = with_range({{"type", "integer"}}, row);
      return {{"anyOf",
               Json::array({{{"const", "auto"}}, std::move(number), reference_to("variable")})}};
    }
    case Kind::boolean:
      return or_variable({{"type", "boolean"}});
    case Kind::choice:
      return or_variable(choice_type(row));
    case Kind::text_list:
      return {{"type", "array"}, {"items", {{"type", "string"}}}};
    default:
      return {{"type", "string"}};
  }
}

Json default_of(const Row& row, const void* defaults) {
  const Value value = value_in(row, defaults);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) return *texts;
  if (row.kind == Kind::boolean) return std::get<std::int64_t>(value) != 0;
  if (row.kind == Kind::integer) return std::get<std::int64_t>(value);
  if (row.kind == Kind::ratio) return static_cast<double>(std::get<std::int64_t>(value)) / 1e6;
  return value_text(row, value);
}

std::string description_of(const Row& row) {
  std::string out(row.doc);
  const std::string range = range_text(row);
  if (!range.empty()) out += " Range: " + range + '.';
  if (needs_restart(row)) out += ' ' + std::string(restart_note(row));
  return out;
}

Json property(const Row& row, const void* defaults) {
  Json made;
  made["description"] = description_of(row);
  if (row.kind == Kind::section) {
    made.update(object_at(row.path, defaults));
  } else if (row.kind == Kind::list) {
    made["type"] = "array";
    made["minItems"] = 1;
    made["items"] = object_at(row.path, row.list.fresh());
  } else {
    made.update(type_of(row));
    made["default"] = default_of(row, defaults);
  }
  return made;
}

Json object_at(std::string_view path, const void* defaults) {
  Json properties = Json::object();
  for (const Row* row : children(path)) {
    properties[std::string(row->key())] = property(*row, defaults);
  }
  Json made{{"type", "object"}, {"additionalProperties", false}};
  made["properties"] = std::move(properties);
  if (path == "pools[]") made["required"] = {"backends"};
  return made;
}

Json text_like(std::string_view pattern, std::string_view description) {
  return {{"type", "string"}, {"pattern", pattern}, {"description", description}};
}

}  // namespace

std::string json_schema() {
  const Settings defaults;
  Json schema;
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = "mcplb configuration";
  schema.update(object_at("", &defaults));
  schema["definitions"] = {
      {"variable", text_like(R"(\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\})", "From the environment.")},
      {"duration", text_like(R"(^[0-9]+(\.[0-9]{1,3})?(ms|s|m|h)$|\$\{)", "250ms, 30s, 5m, 1h")},
      {"size", text_like(R"(^[0-9]+(\.[0-9]{1,3})?(B|KiB|MiB|GiB)$|\$\{)", "512B, 64KiB, 4MiB")},
      {"percent", text_like(R"(^[0-9]+%$|\$\{)", "50%")}};
  return schema.dump(2) + '\n';
}

}  // namespace mcplb::config
