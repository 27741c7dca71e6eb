#include "tracing/otlp_json.hpp"

#include <nlohmann/json.hpp>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb::tracing {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kind_server = 2;
constexpr int kind_client = 3;
constexpr int status_error = 2;
// Beside the trace's own flags: whether the parent is remote is known, and it is.
constexpr unsigned knows_remote = 0x100;
constexpr unsigned is_remote = 0x200;
constexpr std::size_t message_bytes_max = 200;

Json pair_of(std::string_view key, std::string_view value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

Json attributes_of(const SpanAttributes& attributes) {
  Json out = Json::array();
  for (const SpanAttribute& each : attributes) {
    if (each.is_number) {
      out.push_back({{"key", each.key}, {"value", {{"intValue", std::to_string(each.number)}}}});
    } else {
      out.push_back(pair_of(each.key, each.text));
    }
  }
  return out;
}

Json event_of(const SpanEvent& event) {
  return {{"timeUnixNano", std::to_string(event.time_ns)},
          {"name", event.name},
          {"attributes", attributes_of(event.attributes)}};
}

Json span_of(const Span& span) {
  Json out;
  out["traceId"] = to_hex(span.context.trace);
  out["spanId"] = to_hex(span.context.span);
  if (!span.state.empty()) out["traceState"] = span.state;
  if (span.parent != SpanId::none) out["parentSpanId"] = to_hex(span.parent);
  out["flags"] = span.context.flags | knows_remote | (span.parent_is_remote ? is_remote : 0);
  out["name"] = span.name;
  out["kind"] = span.kind == Span::Kind::server ? kind_server : kind_client;
  out["startTimeUnixNano"] = std::to_string(span.start_ns);
  out["endTimeUnixNano"] = std::to_string(span.end_ns);
  out["attributes"] = attributes_of(span.attributes);
  for (const SpanEvent& event : span.events) out["events"].push_back(event_of(event));
  if (span.status == Span::Status::error) out["status"] = {{"code", status_error}};
  return out;
}

// Nothing for what is no object.
Json object_in(std::string_view body) {
  Json parsed = Json::parse(body, nullptr, false);
  return parsed.is_object() ? parsed : Json::object();
}

std::string text_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "";
  return escaped(found->get_ref<const std::string&>(), message_bytes_max);
}

}  // namespace

std::string to_otlp_json(std::span<const Span> spans, const std::vector<Pair>& resource) {
  Json who = Json::array();
  for (const Pair& pair : resource) who.push_back(pair_of(pair.first, pair.second));
  Json all = Json::array();
  for (const Span& span : spans) all.push_back(span_of(span));
  Json scope;
  scope["scope"] = {{"name", "mcplb"}, {"version", MCPLB_VERSION}};
  scope["spans"] = std::move(all);
  Json entry;
  entry["resource"]["attributes"] = std::move(who);
  entry["scopeSpans"].push_back(std::move(scope));
  Json request;
  request["resourceSpans"].push_back(std::move(entry));
  // What clients write need not be UTF-8, and JSON has to be.
  return request.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Acceptance read_acceptance(std::string_view body) {
  Acceptance acceptance;
  const Json reply = object_in(body);
  const auto partial = reply.find("partialSuccess");
  if (partial == reply.end() || !partial->is_object()) return acceptance;
  acceptance.message = text_in(*partial, "errorMessage");
  const auto rejected = partial->find("rejectedSpans");
  if (rejected == partial->end()) return acceptance;
  if (rejected->is_number_unsigned()) acceptance.rejected = rejected->get<std::uint64_t>();
  if (rejected->is_string()) {
    acceptance.rejected = parse_decimal(rejected->get_ref<const std::string&>()).value_or(0);
  }
  return acceptance;
}

std::string read_refusal(std::string_view body) { return text_in(object_in(body), "message"); }

}  // namespace mcplb::tracing
