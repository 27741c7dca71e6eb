// How the admin API words its answers.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "mcplb/wire/server.hpp"

namespace mcplb::admin {

using Json = nlohmann::ordered_json;

wire::Reply json_reply(int status, const Json& body);
// {"error", "message"}
wire::Reply error_reply(int status, std::string_view error, std::string_view message);
// Below /api/cluster/: {"success", "data"}, or {"success", "error"}.
wire::Reply data_reply(Json data);
wire::Reply failure_reply(int status, std::string_view error);
// Of a command: {"success", "error", "message"}. `error` is a word for programs.
wire::Reply command_failure(int status, std::string_view error, std::string_view message);

}  // namespace mcplb::admin
