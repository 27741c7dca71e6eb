// Answers of the admin API as text for people. Nothing here trusts what it shows: bytes that a
// terminal might obey are escaped, and what is missing or of another type is "-".
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace mcplb {

// Columns as wide as their widest cell, two spaces between them. The first row is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);

// "7s", "12m", "5h", "3d": the largest unit that fits.
std::string short_duration(std::int64_t seconds);

// Of GET /health and the probes below it: one word.
std::string health_text(const nlohmann::json& answer);
// Of GET /api/state: the instance and its pools; and its backends.
std::string status_table(const nlohmann::json& answer);
std::string backends_table(const nlohmann::json& answer);
// Of a command that changes a backend, and of POST /api/reload.
std::string change_text(const nlohmann::json& answer);
std::string reload_text(const nlohmann::json& answer);
// Of one backend in GET /api/state: "12 sessions, 3 streams, 2 requests left"; the same as a JSON
// object; and whether that is nothing.
std::string left_text(const nlohmann::json& backend);
std::string left_json(const nlohmann::json& backend);
bool is_empty(const nlohmann::json& backend);

// Of GET /api/sessions.
std::string sessions_table(const nlohmann::json& answer);
// Of GET /api/cluster/sessions/{id}.
std::string session_table(const nlohmann::json& answer);

}  // namespace mcplb
