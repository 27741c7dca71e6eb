#include "admin/reply.hpp"

#include <string>
#include <utility>

namespace mcplb::admin {

wire::Reply json_reply(int status, const Json& body) {
  wire::Reply reply;
  reply.status = status;
  // A name from the configuration may hold any bytes.
  reply.body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  reply.fields.emplace_back("Cache-Control", "no-store");
  return reply;
}

wire::Reply error_reply(int status, std::string_view error, std::string_view message) {
  Json body = Json::object();
  body["error"] = std::string(error);
  body["message"] = std::string(message);
  return json_reply(status, body);
}

wire::Reply data_reply(Json data) {
  Json body = Json::object();
  body["success"] = true;
  body["data"] = std::move(data);
  return json_reply(200, body);
}

wire::Reply failure_reply(int status, std::string_view error) {
  Json body = Json::object();
  body["success"] = false;
  body["error"] = std::string(error);
  return json_reply(status, body);
}

wire::Reply command_failure(int status, std::string_view error, std::string_view message) {
  Json body = Json::object();
  body["success"] = false;
  body["error"] = std::string(error);
  body["message"] = std::string(message);
  return json_reply(status, body);
}

}  // namespace mcplb::admin
