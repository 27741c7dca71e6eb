#include "backend/message.hpp"

#include <utility>

// Errors come as codes; this turns the throwing half of the library off.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "mcplb/base/assert.hpp"

namespace mcplb::bench {

namespace ondemand = simdjson::ondemand;

namespace {

// A string without escapes, or nothing: what we compare and echo has none.
std::string_view plain_text(ondemand::value value) {
  std::string_view token = value.raw_json_token();
  token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
  const bool plain = token.size() >= 2 && token.front() == '"' && token.back() == '"' &&
                     token.find('\\') == std::string_view::npos;
  return plain ? token.substr(1, token.size() - 2) : std::string_view();
}

std::string_view id_of(ondemand::value value) {
  std::string_view token = value.raw_json_token();
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

std::uint64_t number_of(ondemand::value value, std::uint64_t otherwise) {
  std::uint64_t number = 0;
  return value.get_uint64().get(number) == simdjson::SUCCESS ? number : otherwise;
}

template <class Visit>
bool for_each_field(ondemand::object object, Visit visit) {
  for (auto item : object) {
    ondemand::field field;
    std::string_view key;
    if (std::move(item).get(field) != simdjson::SUCCESS) return false;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
    if (!visit(key, field.value())) return false;
  }
  return true;
}

bool read_arguments(ondemand::value value, Message& out) {
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return false;
  return for_each_field(object, [&out](std::string_view key, ondemand::value& field) {
    if (key == "tag") out.tag = plain_text(field);
    if (key == "ms") out.ms = number_of(field, 0);
    return true;
  });
}

bool read_params(ondemand::value value, Message& out) {
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return false;
  return for_each_field(object, [&out](std::string_view key, ondemand::value& field) {
    if (key == "name") out.tool = plain_text(field);
    return key != "arguments" || read_arguments(field, out);
  });
}

}  // namespace

struct MessageReader::Parser {
  ondemand::parser json;
};

MessageReader::MessageReader() : parser_(std::make_unique<Parser>()) {}
MessageReader::~MessageReader() = default;

bool MessageReader::read(const std::string& body, Message& out) {
  MCPLB_ASSERT(body.capacity() >= body.size() + simdjson::SIMDJSON_PADDING);
  out = {};
  const simdjson::padded_string_view json(body.data(), body.size(), body.capacity());
  ondemand::document document;
  ondemand::object object;
  if (parser_->json.iterate(json).get(document) != simdjson::SUCCESS) return false;
  if (document.get_object().get(object) != simdjson::SUCCESS) return false;
  return for_each_field(object, [&out](std::string_view key, ondemand::value& field) {
    if (key == "id") out.id = id_of(field);
    if (key == "method") out.method = plain_text(field);
    if (key == "count") out.count = number_of(field, 1);
    if (key == "bytes") out.bytes = number_of(field, 0);
    return key != "params" || read_params(field, out);
  });
}

}  // namespace mcplb::bench
