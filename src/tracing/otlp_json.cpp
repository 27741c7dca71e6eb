#include "tracing/otlp_json.hpp"

#include <algorithm>
#include <utility>

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

constexpr std::size_t usual_span_bytes = 2048;

bool is_plain(char c) { return c >= ' ' && c < 0x7f && c != '"' && c != '\\'; }

// Spans come by the thousand, and a tree of them costs forty times what writing them does: so only
// texts that need care are left to the library.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  Writer& raw(std::string_view json) {
    out_ += json;
    return *this;
  }
  // What clients write need not be UTF-8, and JSON has to be.
  Writer& text(std::string_view text) {
    if (!std::all_of(text.begin(), text.end(), is_plain)) {
      return raw(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace));
    }
    return raw("\"").raw(text).raw("\"");
  }
  // A 64-bit integer is a text.
  Writer& number(std::int64_t number) {
    return raw("\"").raw(std::to_string(number)).raw("\"");
  }
  Writer& pair(std::string_view key, std::string_view value) {
    return raw(R"({"key":)").text(key).raw(R"(,"value":{"stringValue":)").text(value).raw("}}");
  }
  Writer& attribute(const SpanAttribute& each) {
    raw(R"({"key":")").raw(each.key);  // our own words
    if (each.is_number) return raw(R"(","value":{"intValue":)").number(each.number).raw("}}");
    return raw(R"(","value":{"stringValue":)").text(each.text).raw("}}");
  }
  // Calls `write(element)` for each, with commas between them.
  template <class Elements, class Write>
  Writer& list(const Elements& elements, Write write) {
    raw("[");
    bool first = true;
    for (const auto& element : elements) {
      if (!std::exchange(first, false)) raw(",");
      write(element);
    }
    return raw("]");
  }

 private:
  std::string& out_;
};

void write_attributes(Writer& out, const SpanAttributes& attributes) {
  out.raw("\"attributes\":").list(attributes, [&](const SpanAttribute& each) {
    out.attribute(each);
  });
}

void write_event(Writer& out, const SpanEvent& event) {
  out.raw("{\"timeUnixNano\":").number(event.time_ns).raw(",\"name\":").text(event.name).raw(",");
  write_attributes(out, event.attributes);
  out.raw("}");
}

void write_span(Writer& out, const Span& span) {
  const unsigned remote = span.parent_is_remote ? is_remote : 0;
  const int kind = span.kind == Span::Kind::server ? kind_server : kind_client;
  out.raw("{\"traceId\":").text(to_hex(span.context.trace));
  out.raw(",\"spanId\":").text(to_hex(span.context.span));
  if (!span.state.empty()) out.raw(",\"traceState\":").text(span.state);
  if (span.parent != SpanId::none) out.raw(",\"parentSpanId\":").text(to_hex(span.parent));
  out.raw(",\"flags\":").raw(std::to_string(span.context.flags | knows_remote | remote));
  out.raw(",\"name\":").text(span.name).raw(",\"kind\":").raw(std::to_string(kind));
  out.raw(",\"startTimeUnixNano\":").number(span.start_ns);
  out.raw(",\"endTimeUnixNano\":").number(span.end_ns).raw(",");
  write_attributes(out, span.attributes);
  if (!span.events.empty()) {
    out.raw(",\"events\":").list(span.events, [&](const SpanEvent& event) {
      write_event(out, event);
    });
  }
  if (span.status == Span::Status::error) {
    out.raw(",\"status\":{\"code\":").raw(std::to_string(status_error)).raw("}");
  }
  out.raw("}");
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
  std::string json;
  json.reserve(spans.size() * usual_span_bytes);
  Writer out(json);
  out.raw(R"({"resourceSpans":[{"resource":{"attributes":)");
  out.list(resource, [&](const Pair& pair) { out.pair(pair.first, pair.second); });
  out.raw(R"(},"scopeSpans":[{"scope":{"name":"mcplb","version":)").text(MCPLB_VERSION);
  out.raw(R"(},"spans":)").list(spans, [&](const Span& span) { write_span(out, span); });
  out.raw("}]}]}");
  return json;
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
