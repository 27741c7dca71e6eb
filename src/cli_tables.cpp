#include "cli_tables.hpp"

#include <algorithm>
#include <cstdint>

#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

constexpr const char* unknown = "-";

const Json& member(const Json& object, const char* name) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

std::string cell(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
  if (!value.is_string()) return unknown;
  const std::string text = escaped(value.get_ref<const std::string&>());
  return text.empty() ? unknown : text;
}

std::string duration_cell(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_number_integer() ? short_duration(value.get<std::int64_t>()) : unknown;
}

std::string count_line(const Json& answer, std::size_t shown) {
  std::string line = std::to_string(shown) + " of " + cell(answer, "total") + " sessions";
  if (member(answer, "next").is_string()) line += "; more with --after " + cell(answer, "next");
  return line + "\n";
}

}  // namespace

std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      const bool last = i + 1 == row.size();
      if (!last) text.append(widths[i] - row[i].size() + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

std::string short_duration(std::int64_t seconds) {
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86'400) + "d";
}

std::string sessions_table(const Json& answer) {
  const Json& sessions = member(answer, "sessions");
  std::vector<Row> rows{{"SESSION", "POOL", "BACKEND", "PROTOCOL", "AGE", "IDLE", "IN-FLIGHT",
                         "STREAMS", "GENERATION"}};
  if (sessions.is_array()) {
    for (const Json& session : sessions) {
      rows.push_back({cell(session, "session"), cell(session, "pool"), cell(session, "backend"),
                      cell(session, "protocol"), duration_cell(session, "age_seconds"),
                      duration_cell(session, "idle_seconds"), cell(session, "in_flight"),
                      cell(session, "streams"), cell(session, "generation")});
    }
  }
  const std::size_t shown = rows.size() - 1;
  return (shown > 0 ? table(rows) : "") + count_line(answer, shown);
}

std::string session_table(const Json& answer) {
  const Json& data = member(answer, "data");
  return table({{"session", cell(data, "session")},
                {"pool", cell(data, "pool")},
                {"owner", cell(data, "owner")},
                {"protocol", cell(data, "protocol")},
                {"age", duration_cell(data, "age_seconds")},
                {"idle", duration_cell(data, "idle_seconds")},
                {"in flight", cell(data, "in_flight")},
                {"streams", cell(data, "streams")},
                {"generation", cell(data, "generation")},
                {"known from", cell(data, "known")}});
}

}  // namespace mcplb
