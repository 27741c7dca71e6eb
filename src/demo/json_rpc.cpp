#include "demo/json_rpc.hpp"

#include <algorithm>
#include <utility>

namespace mcplb::demo {

std::optional<Json> parse_json(std::string_view text) {
  bool too_deep = false;
  const auto keep = [&too_deep](int depth, Json::parse_event_t, Json&) {
    if (depth > json_depth_max) too_deep = true;
    return !too_deep;
  };
  Json parsed = Json::parse(text.begin(), text.end(), keep, /*allow_exceptions=*/false);
  if (parsed.is_discarded() || too_deep) return std::nullopt;
  return parsed;
}

std::string to_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json& member(const Json& object, const char* key) {
  static const Json absent = nullptr;
  if (!object.is_object()) return absent;
  const auto found = object.find(key);
  return found == object.end() ? absent : *found;
}

std::string text_member(const Json& object, const char* key, std::string_view otherwise) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string(otherwise);
}

int number_member(const Json& object, const char* key, int otherwise, int least, int most) {
  const Json& value = member(object, key);
  if (!value.is_number()) return otherwise;
  const double bounded =
      std::clamp(value.get<double>(), static_cast<double>(least), static_cast<double>(most));
  return static_cast<int>(bounded);
}

bool is_request_id(const Json& id) {
  return id.is_string() || id.is_number_integer();
}

Json result_message(const Json& id, Json result) {
  Json message = Json::object();
  message["jsonrpc"] = "2.0";
  message["id"] = id;
  message["result"] = std::move(result);
  return message;
}

Json error_message(const Json& id, int code, std::string_view text) {
  Json message = Json::object();
  message["jsonrpc"] = "2.0";
  message["id"] = id;
  message["error"]["code"] = code;
  message["error"]["message"] = std::string(text);
  return message;
}

Json text_result(std::string_view text, bool is_error) {
  Json piece = Json::object();
  piece["type"] = "text";
  piece["text"] = std::string(text);
  Json result = Json::object();
  result["content"] = Json::array();
  result["content"].push_back(std::move(piece));
  if (is_error) result["isError"] = true;
  return result;
}

wire::Reply json_reply(int status, const Json& body) {
  wire::Reply reply;
  reply.status = status;
  reply.body = to_text(body);
  return reply;
}

wire::Reply error_reply(int status, const Json& id, int code, std::string_view text) {
  return json_reply(status, error_message(id, code, text));
}

wire::Reply accepted_reply() {
  wire::Reply reply;
  reply.status = 202;
  reply.content_type.clear();
  return reply;
}

wire::Reply events_head() {
  wire::Reply head;
  head.content_type = "text/event-stream";
  head.fields.emplace_back("Cache-Control", "no-cache, no-transform");
  head.fields.emplace_back("X-Accel-Buffering", "no");
  return head;
}

std::string event_text(const Json& message) {
  return "event: message\ndata: " + to_text(message) + "\n\n";
}

bool takes_events(const http::RequestHead& head) {
  if (!head.fields.has(http::Name::accept)) return true;
  for (const http::Field& field : head.fields) {
    if (field.id != http::Name::accept) continue;
    const bool names_them = field.value.find("text/event-stream") != std::string_view::npos ||
                            field.value.find("*/*") != std::string_view::npos;
    if (names_them) return true;
  }
  return false;
}

Task<void> send(wire::ReplyWriter& writer, wire::Reply reply) {
  const auto sent = co_await writer.send(std::move(reply));
  static_cast<void>(sent);
}

}  // namespace mcplb::demo
