#include "tracing/otlp_json.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace mcplb::tracing {
namespace {

using Json = nlohmann::json;

Span a_span() {
  Span span;
  span.context.trace = {0x0af7651916cd43dd, 0x8448eb211c80319c};
  span.context.span = SpanId{0xb7ad6b7169203331};
  span.context.flags = 1;
  span.name = "ping";
  span.start_ns = 1'795'285'870'239'780'441;
  span.end_ns = 1'795'285'870'244'881'441;
  return span;
}

Json written(const Span& span) {
  const std::vector<Span> spans{span};
  const Json all = Json::parse(to_otlp_json(spans, {{"service.name", "x"}}));
  return all["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
}

}  // namespace

TEST_SUITE("tracing/otlp_json") {
  TEST_CASE("a span is written as the protocol's JSON has it") {
    Span span = a_span();
    span.parent = SpanId{1};
    span.parent_is_remote = true;
    span.state = "a=1";
    span.kind = Span::Kind::client;
    span.status = Span::Status::error;
    span.attributes.add("text", "t");
    span.attributes.add("number", -5);
    SpanEvent event;
    event.time_ns = 7;
    event.name = "moved";
    event.attributes.add("why", "w");
    span.events.push_back(event);
    CHECK(written(span) == Json::parse(R"({
      "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
      "parentSpanId": "0000000000000001", "traceState": "a=1", "flags": 769, "name": "ping",
      "kind": 3, "startTimeUnixNano": "1795285870239780441",
      "endTimeUnixNano": "1795285870244881441", "status": {"code": 2},
      "attributes": [{"key": "text", "value": {"stringValue": "t"}},
                     {"key": "number", "value": {"intValue": "-5"}}],
      "events": [{"timeUnixNano": "7", "name": "moved",
                  "attributes": [{"key": "why", "value": {"stringValue": "w"}}]}]})"));
  }

  TEST_CASE("what a span does not have is left out") {
    const Json span = written(a_span());
    for (const char* key : {"parentSpanId", "traceState", "events", "status"}) {
      CAPTURE(key);
      CHECK(!span.contains(key));
    }
    CHECK(span["kind"] == 2);
    CHECK(span["flags"] == 257);
  }

  TEST_CASE("the resource goes with all spans of a request") {
    const std::vector<Span> spans{a_span(), a_span()};
    const Json all = Json::parse(to_otlp_json(spans, {{"service.name", "x"}}));
    CHECK(all["resourceSpans"].size() == 1);
    CHECK(all["resourceSpans"][0]["resource"]["attributes"][0] ==
          Json::parse(R"({"key": "service.name", "value": {"stringValue": "x"}})"));
    CHECK(all["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"] == "mcplb");
    CHECK(all["resourceSpans"][0]["scopeSpans"][0]["spans"].size() == 2);
  }

  TEST_CASE("bytes that are no text still make JSON") {
    Span span = a_span();
    span.name = "\xff\xfe";
    span.attributes.add("k", "\x01\"\x80");
    CHECK(written(span)["name"] == "\xef\xbf\xbd\xef\xbf\xbd");
  }

  TEST_CASE("a collector's reply tells what it rejected") {
    CHECK(read_acceptance("{}").rejected == 0);
    CHECK(read_acceptance("").rejected == 0);
    CHECK(read_acceptance("[1").rejected == 0);
    CHECK(read_acceptance(R"({"partialSuccess":null})").rejected == 0);
    CHECK(read_acceptance(R"({"partialSuccess":{"rejectedSpans":"3"}})").rejected == 3);
    CHECK(read_acceptance(R"({"partialSuccess":{"rejectedSpans":4}})").rejected == 4);
    CHECK(read_acceptance(R"({"partialSuccess":{"rejectedSpans":-4}})").rejected == 0);
    CHECK(read_acceptance(R"({"partialSuccess":{"errorMessage":"too\nold"}})").message ==
          "too\\x0aold");
    CHECK(read_refusal(R"({"code":3,"message":"bad span"})") == "bad span");
    CHECK(read_refusal("<html>").empty());
  }
}

}  // namespace mcplb::tracing
