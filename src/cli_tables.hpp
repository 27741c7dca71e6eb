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

// Of GET /api/sessions.
std::string sessions_table(const nlohmann::json& answer);
// Of GET /api/cluster/sessions/{id}.
std::string session_table(const nlohmann::json& answer);

}  // namespace mcplb
