#include "cli_tables.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

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

std::string decimal_cell(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (!value.is_number()) return unknown;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value.get<double>());
  return text.data();
}

// Requests and errors a second, and how long most of them take.
Row traffic_cells(const Json& thing) {
  const Json& traffic = member(thing, "traffic");
  const std::string p99 = decimal_cell(member(traffic, "latency_ms"), "p99");
  return {decimal_cell(traffic, "requests_per_second"), decimal_cell(traffic, "errors_per_second"),
          p99 == unknown ? p99 : p99 + "ms"};
}

Row joined(Row row, const Row& more) {
  row.insert(row.end(), more.begin(), more.end());
  return row;
}

// Empty when it is missing or no list.
const Json& elements(const Json& object, const char* name) {
  static const Json none = Json::array();
  const Json& value = member(object, name);
  return value.is_array() ? value : none;
}

std::string sum(const Json& things, const char* name) {
  std::int64_t total = 0;
  for (const Json& thing : things) {
    const Json& value = member(thing, name);
    if (!value.is_number_integer()) return unknown;
    total += value.get<std::int64_t>();
  }
  return std::to_string(total);
}

// "1 session", "2 sessions"
std::string counted(const Json& object, const char* name, const char* thing) {
  const std::string number = cell(object, name);
  return number + " " + thing + (number == "1" ? "" : "s");
}

std::string store_cell(const Json& store) {
  const std::string kind = cell(store, "kind");
  return kind == "redis" ? kind + ", " + cell(store, "status") : kind;
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

std::string health_text(const Json& answer) { return cell(answer, "status") + "\n"; }

std::string status_table(const Json& answer) {
  const Json& store = member(answer, "store");
  std::string text = table({{"instance", cell(answer, "instance")},
                            {"version", cell(answer, "version")},
                            {"status", cell(answer, "status")},
                            {"up for", duration_cell(answer, "uptime_seconds")},
                            {"sessions", cell(answer, "active_sessions")},
                            {"store", store_cell(store)}});
  std::vector<Row> rows{{"POOL", "STATUS", "USABLE", "SESSIONS", "STREAMS", "IN-FLIGHT", "REQ/S",
                         "ERR/S", "P99"}};
  for (const Json& pool : elements(answer, "pools")) {
    const Json& backends = elements(pool, "backends");
    const Row row{cell(pool, "name"), cell(pool, "status"),
                  cell(pool, "usable") + "/" + std::to_string(backends.size()),
                  cell(pool, "sessions"), sum(backends, "streams"), sum(backends, "in_flight")};
    rows.push_back(joined(row, traffic_cells(pool)));
  }
  return text + "\n" + table(rows);
}

std::string backends_table(const Json& answer) {
  std::vector<Row> rows{{"POOL", "BACKEND", "URL", "STATE", "WEIGHT", "SESSIONS", "STREAMS",
                         "IN-FLIGHT", "SINCE", "CHECKED", "REQ/S", "ERR/S", "P99"}};
  for (const Json& pool : elements(answer, "pools")) {
    for (const Json& backend : elements(pool, "backends")) {
      const Json& suspect = member(backend, "suspect");
      const std::string mark = suspect.is_boolean() && suspect.get<bool>() ? " (suspect)" : "";
      const Row row{cell(pool, "name"), cell(backend, "id"), cell(backend, "url"),
                    cell(backend, "state") + mark, cell(backend, "weight"),
                    cell(backend, "sessions"), cell(backend, "streams"),
                    cell(backend, "in_flight"), duration_cell(backend, "since_seconds"),
                    duration_cell(backend, "last_check_seconds")};
      rows.push_back(joined(row, traffic_cells(backend)));
    }
  }
  return table(rows);
}

std::string left_text(const Json& backend) {
  return counted(backend, "sessions", "session") + ", " + counted(backend, "streams", "stream") +
         ", " + counted(backend, "in_flight", "request") + " left";
}

std::string left_json(const Json& backend) {
  Json left = Json::object();
  for (const char* name : {"sessions", "streams", "in_flight"})
    left[name] = member(backend, name);
  return left.dump();
}

bool is_empty(const Json& backend) {
  for (const char* name : {"sessions", "streams", "in_flight"}) {
    const Json& value = member(backend, name);
    if (!value.is_number_integer() || value.get<std::int64_t>() != 0) return false;
  }
  return true;
}

std::string change_text(const Json& answer) {
  const Json& data = member(answer, "data");
  return cell(data, "pool") + "/" + cell(data, "backend") + " is " + cell(data, "mode") + ": " +
         left_text(data) + "\n";
}

std::string reload_text(const Json& answer) {
  const Json& data = member(answer, "data");
  const std::string message = cell(data, "message");
  std::string text = message == unknown ? "reloaded\n" : message + "\n";
  for (const Json& key : elements(data, "changed")) {
    if (key.is_string()) text += "  " + escaped(key.get_ref<const std::string&>()) + "\n";
  }
  return text;
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
