#include "mcplb/mcp/opening.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

// Errors come as codes; this turns the throwing half of the library off.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/mcp/sse.hpp"

namespace mcplb::mcp {
namespace {

namespace dom = simdjson::dom;

std::optional<dom::element> parse(dom::parser& parser, std::string_view json) {
  dom::element document;
  if (parser.parse(json.data(), json.size()).get(document) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return document;
}

std::optional<dom::object> as_object(dom::element value) {
  dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
  return object;
}

std::optional<dom::element> member(dom::element value, std::string_view key) {
  dom::element found;
  if (value.at_key(key).get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

std::string_view text_of(dom::element value) {
  std::string_view text;
  return value.get_string().get(text) == simdjson::SUCCESS ? text : std::string_view();
}

std::string compact(dom::element value) { return simdjson::minify(value); }

bool means_no(dom::element value) {
  bool flag = true;
  return value.is_null() || (value.get_bool().get(flag) == simdjson::SUCCESS && !flag);
}

// It ends up in a header field.
bool can_be_a_revision(std::string_view text) {
  return text.size() <= limits::session_protocol_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::optional<InitializeResult> read_message(dom::element message) {
  const auto result = member(message, "result");
  if (!result || !member(message, "id") || !result->is_object()) return std::nullopt;
  InitializeResult read;
  if (const auto protocol = member(*result, "protocolVersion")) {
    if (can_be_a_revision(text_of(*protocol))) read.protocol = text_of(*protocol);
  }
  const auto capabilities = member(*result, "capabilities");
  if (capabilities && capabilities->is_object()) read.capabilities = compact(*capabilities);
  return read;
}

std::optional<InitializeResult> read_json(std::string_view json) {
  dom::parser parser;
  const auto document = parse(parser, json);
  if (!document) return std::nullopt;
  dom::array batch;
  if (document->get_array().get(batch) != simdjson::SUCCESS) return read_message(*document);
  for (const dom::element message : batch) {
    auto read = read_message(message);
    if (read) return read;
  }
  return std::nullopt;
}

// The parser's bound on nesting ends the recursion.
bool offers(dom::object offered, dom::object needed) {
  for (const dom::key_value_pair need : needed) {
    if (means_no(need.value)) continue;
    dom::element offer;
    if (offered.at_key(need.key).get(offer) != simdjson::SUCCESS || means_no(offer)) return false;
    const auto inner = as_object(need.value);
    if (!inner) continue;
    const auto inner_offer = as_object(offer);
    if (!inner_offer || !offers(*inner_offer, *inner)) return false;
  }
  return true;
}

std::optional<dom::element> params_of(dom::parser& parser, std::string_view body) {
  const auto message = parse(parser, body);
  return message ? member(*message, "params") : std::nullopt;
}

bool note_level(Journal& journal, std::string_view body) {
  dom::parser parser;
  const auto params = params_of(parser, body);
  if (!params || !params->is_object()) return false;
  std::string level = compact(*params);
  if (level == journal.set_level) return false;
  if (journal.bytes() - journal.set_level.size() + level.size() >
      limits::session_journal_bytes_max) {
    count_limit_hit(Limit::session_journal);
    return false;
  }
  journal.set_level = std::move(level);
  return true;
}

bool note_subscription(Journal& journal, std::string uri) {
  std::vector<std::string>& uris = journal.subscriptions;
  if (uri.empty() || std::find(uris.begin(), uris.end(), uri) != uris.end()) return false;
  if (uris.size() >= limits::session_subscriptions_max ||
      journal.bytes() + uri.size() > limits::session_journal_bytes_max) {
    count_limit_hit(Limit::session_journal);
    return false;
  }
  uris.push_back(std::move(uri));
  return true;
}

}  // namespace

std::optional<InitializeResult> read_initialize_result(std::string_view content_type,
                                                       std::string_view body) {
  if (!starts_with_ignoring_case(trimmed(content_type), "text/event-stream")) {
    return read_json(body);
  }
  SseDataReader events(body.size());
  while (!body.empty() && !events.too_large()) {
    body.remove_prefix(events.feed(body));
    if (!events.has_event()) continue;
    auto read = read_json(events.data());
    if (read) return read;
  }
  return std::nullopt;
}

bool offers_no_less(std::string_view offered_capabilities, std::string_view needed_capabilities) {
  if (needed_capabilities.empty()) return true;
  dom::parser needed_parser;
  const auto needed_text = parse(needed_parser, needed_capabilities);
  const auto needed = needed_text ? as_object(*needed_text) : std::nullopt;
  if (!needed) return false;
  if (needed->size() == 0) return true;
  dom::parser offered_parser;
  const auto offered_text = parse(offered_parser, offered_capabilities);
  const auto offered = offered_text ? as_object(*offered_text) : std::nullopt;
  return offered && offers(*offered, *needed);
}

std::size_t Journal::bytes() const {
  return std::accumulate(
      subscriptions.begin(), subscriptions.end(), set_level.size(),
      [](std::size_t sum, const std::string& uri) { return sum + uri.size(); });
}

std::string subscription_uri(std::string_view body) {
  dom::parser parser;
  const auto params = params_of(parser, body);
  const auto uri = params ? member(*params, "uri") : std::nullopt;
  return uri ? std::string(text_of(*uri)) : std::string();
}

bool journal_note(Journal& journal, Method method, std::string_view body) {
  switch (method) {
    case Method::logging_set_level: return note_level(journal, body);
    case Method::resources_subscribe: return note_subscription(journal, subscription_uri(body));
    case Method::resources_unsubscribe:
      return std::erase(journal.subscriptions, subscription_uri(body)) > 0;
    default: return false;
  }
}

}  // namespace mcplb::mcp
