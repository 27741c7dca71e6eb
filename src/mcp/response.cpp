#include "mcplb/mcp/response.hpp"

#include <utility>

// Errors come as codes; this turns the throwing half of the library off.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "mcp/error_body.hpp"

namespace mcplb::mcp {
namespace {

namespace dom = simdjson::dom;

std::string_view text_of(dom::element value) {
  std::string_view text;
  return value.get_string().get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// One message, as far as its keys are concerned.
struct Message {
  std::optional<dom::element> version;
  std::optional<dom::element> id;
  std::optional<dom::element> method;
  std::optional<dom::element> result;
  std::optional<dom::element> error;
  bool repeats_a_key = false;

  bool is_response() const {
    return !repeats_a_key && version && text_of(*version) == "2.0" && !method &&
           result.has_value() != error.has_value();
  }
};

std::optional<dom::element>* member_of(Message& message, std::string_view key) {
  if (key == "jsonrpc") return &message.version;
  if (key == "id") return &message.id;
  if (key == "method") return &message.method;
  if (key == "result") return &message.result;
  if (key == "error") return &message.error;
  return nullptr;
}

Message read_message(dom::object object) {
  Message message;
  for (const dom::key_value_pair field : object) {
    std::optional<dom::element>* const member = member_of(message, field.key);
    if (member == nullptr) continue;
    if (*member) message.repeats_a_key = true;
    *member = field.value;
  }
  return message;
}

void read_error(dom::element error, std::int64_t& code, std::string& message) {
  dom::object object;
  if (error.get_object().get(object) != simdjson::SUCCESS) return;
  for (const dom::key_value_pair field : object) {
    if (field.key == "message") message = text_of(field.value);
    std::int64_t number = 0;
    if (field.key == "code" && field.value.get_int64().get(number) == simdjson::SUCCESS) {
      code = number;
    }
  }
}

std::string_view protocol_version_in(dom::element result) {
  dom::element version;
  if (result["protocolVersion"].get(version) != simdjson::SUCCESS) return {};
  return text_of(version);
}

std::optional<Response> as_response(dom::element element, std::string_view id) {
  dom::object object;
  if (element.get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
  const Message message = read_message(object);
  if (!message.is_response() || !message.id) return std::nullopt;
  Response response;
  response.id_is_null = message.id->is_null();
  response.is_error = message.error.has_value();
  const bool ours = message.id->is_string() && text_of(*message.id) == id;
  if (!ours && !(response.id_is_null && response.is_error)) return std::nullopt;
  if (message.error) read_error(*message.error, response.code, response.message);
  if (message.result) response.protocol_version = protocol_version_in(*message.result);
  return response;
}

}  // namespace

std::optional<Response> find_response(std::string_view json, std::string_view id) {
  dom::parser parser;
  dom::element document;
  if (parser.parse(json.data(), json.size()).get(document) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  dom::array batch;
  if (document.get_array().get(batch) != simdjson::SUCCESS) return as_response(document, id);
  std::optional<Response> found;
  for (const dom::element element : batch) {
    std::optional<Response> response = as_response(element, id);
    if (!response) continue;
    if (!response->id_is_null) return response;
    if (!found) found = std::move(response);
  }
  return found;
}

std::optional<ErrorBody> read_error_body(std::string_view json) {
  dom::parser parser;
  dom::element document;
  if (parser.parse(json.data(), json.size()).get(document) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  dom::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
  ErrorBody body;
  const Message message = read_message(object);
  body.json_rpc = message.version.has_value() && message.error.has_value();
  body.id_is_null = !message.id || message.id->is_null();
  for (const dom::key_value_pair field : object) {
    const std::string_view key = field.key;
    const bool written_for_people = key == "error" || key == "message" || key == "detail" ||
                                    key == "title" || key == "error_description";
    if (written_for_people) body.texts.emplace_back(text_of(field.value));
  }
  if (message.error) {
    std::string text;
    read_error(*message.error, body.code, text);
    body.texts.push_back(std::move(text));
  }
  return body;
}

}  // namespace mcplb::mcp
