#include "proxy/exchange_trace.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/http/parser.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

constexpr std::uint32_t all = 1'000'000;
const std::string trace = "0af7651916cd43dd8448eb211c80319c";
const std::string caller = "b7ad6b7169203331";
const std::string sampled = "traceparent: 00-" + trace + "-" + caller + "-01\r\n";
const std::string unsampled = "traceparent: 00-" + trace + "-" + caller + "-00\r\n";

class Collected final : public SpanSink {
 public:
  void take(Span span) override { spans.push_back(std::move(span)); }
  std::vector<Span> spans;
};

std::string text_of(const SpanAttributes& attributes, const std::string& key) {
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [&](const SpanAttribute& each) { return each.key == key; });
  if (found == attributes.end()) return "";
  return found->is_number ? std::to_string(found->number) : found->text;
}

// One exchange with what its client sent.
struct Traced {
  explicit Traced(const std::string& fields = "", std::uint32_t millionths = all,
                  const std::string& start = "POST /mcp?key=hunter2 HTTP/1.1")
      : bytes(start + "\r\nHost: mcp.example.org:8443\r\n" + fields + "\r\n") {
    REQUIRE(http::parse_request_head(bytes, http::Settings{}, head));
    message.era = mcp::Era::legacy;
    message.kind = mcp::Kind::request;
    message.method = mcp::Method::tools_call;
    message.name = "get-weather";
    message.id_json = "\"a1\"";
    record.client = "192.0.2.7";
    record.end = {'-', '-'};
    record.status = 200;
    exchange = std::make_unique<ExchangeTrace>(sink, millionths, head, message);
  }
  Traced(const Traced&) = delete;
  Traced& operator=(const Traced&) = delete;

  // What a backend would be told.
  std::string try_at(std::size_t backend) {
    if (request.empty()) {
      request = "POST /mcp HTTP/1.1\r\ntraceparent: " + std::string(exchange->traceparent()) +
                "\r\n\r\n";
    }
    exchange->begin_try(backends[backend], "/mcp");
    exchange->sign(request);
    return request.substr(request.find("traceparent: ") + 13, traceparent_bytes);
  }
  const Span& server() {
    if (!std::exchange(ended, true)) exchange->end(record, {"", true});
    REQUIRE(!sink.spans.empty());
    return sink.spans.back();
  }

  std::string bytes;
  http::RequestHead head;
  mcp::Message message;
  AccessRecord record;
  Collected sink;
  test::Backends backends{1, 1};
  std::string request;
  std::unique_ptr<ExchangeTrace> exchange;
  bool ended = false;
};

std::string id_in(const std::string& traceparent) { return traceparent.substr(36, 16); }

}  // namespace

TEST_SUITE("proxy/exchange_trace") {
  TEST_CASE("the caller's trace goes on, with spans of our own") {
    Traced traced(sampled + "tracestate: a=1\r\ntracestate: b=2\r\n");
    CHECK(traced.exchange->tracestate() == "a=1,b=2");
    const std::string told = traced.try_at(0);
    traced.exchange->on_head(200, {});
    const Span& server = traced.server();
    REQUIRE(traced.sink.spans.size() == 2);
    const Span& attempt = traced.sink.spans.front();
    CHECK(to_hex(server.context.trace) == trace);
    CHECK(to_hex(server.parent) == caller);
    CHECK(server.parent_is_remote);
    CHECK(server.state == "a=1,b=2");
    CHECK(server.kind == Span::Kind::server);
    CHECK(attempt.kind == Span::Kind::client);
    CHECK(attempt.parent == server.context.span);
    CHECK(!attempt.parent_is_remote);
    CHECK(told == "00-" + trace + "-" + to_hex(attempt.context.span) + "-01");
    CHECK(server.start_ns > 1'600'000'000'000'000'000);
    CHECK(attempt.start_ns >= server.start_ns);
    CHECK(attempt.end_ns >= attempt.start_ns);
    CHECK(server.end_ns >= attempt.end_ns);
  }

  TEST_CASE("without a caller's trace a new one begins, for the ratio that is wanted") {
    Traced recorded;
    CHECK(recorded.exchange->traceparent().substr(53) == "01");
    CHECK(recorded.server().parent == SpanId::none);
    CHECK(!recorded.server().parent_is_remote);
    Traced unrecorded("", 0);
    const std::string before(unrecorded.exchange->traceparent());
    CHECK(before.substr(53) == "00");
    CHECK(unrecorded.try_at(0) == before);
    unrecorded.exchange->on_head(200, {});
    unrecorded.exchange->end(unrecorded.record, {});
    CHECK(unrecorded.sink.spans.empty());
  }

  TEST_CASE("who was not sampled by his caller stays so, and his head stays as it is") {
    Traced traced(unsampled);
    CHECK(traced.exchange->traceparent().empty());
    CHECK(to_hex(traced.exchange->id()) == trace);
    traced.exchange->begin_try(traced.backends[0], "/mcp");
    const std::string before = traced.request;
    traced.exchange->sign(traced.request);
    CHECK(traced.request == before);
    traced.exchange->end(traced.record, {});
    CHECK(traced.sink.spans.empty());
  }

  TEST_CASE("a caller is followed when the ratio would record nothing") {
    CHECK(to_hex(Traced(sampled, 0).server().context.trace) == trace);
  }

  TEST_CASE("several or broken traceparents are none, and take the tracestate along") {
    for (const std::string& fields :
         {sampled + sampled, std::string("traceparent: 00-1-2-01\r\n")}) {
      Traced traced(fields + "tracestate: a=1\r\n");
      CHECK(to_hex(traced.exchange->id()) != trace);
      CHECK(traced.exchange->tracestate().empty());
      CHECK(!traced.exchange->traceparent().empty());
      CHECK(traced.server().parent == SpanId::none);
    }
  }

  TEST_CASE("a tracestate that is too long is dropped, its trace is not") {
    const std::string state(limits::tracestate_bytes_max, 'v');
    Traced traced(sampled + "tracestate: k=" + state + "\r\n");
    CHECK(to_hex(traced.exchange->id()) == trace);
    CHECK(traced.exchange->tracestate().empty());
  }

  TEST_CASE("the body names the trace when the head does not") {
    Traced traced;
    traced.message.traceparent = "00-" + trace + "-" + caller + "-01";
    traced.message.tracestate = "c=3";
    traced.exchange->look_into_body();
    CHECK(to_hex(traced.server().parent) == caller);
    CHECK(traced.exchange->tracestate() == "c=3");
    Traced headed("traceparent: 00-" + std::string(32, '1') + "-" + caller + "-01\r\n");
    headed.message.traceparent = "00-" + trace + "-" + caller + "-01";
    headed.exchange->look_into_body();
    CHECK(to_hex(headed.exchange->id()) == std::string(32, '1'));
    Traced broken;
    const TraceId before = broken.exchange->id();
    broken.message.traceparent = "00-" + trace + "-" + caller + "-0";
    broken.exchange->look_into_body();
    CHECK(broken.exchange->id() == before);
  }

  TEST_CASE("a body that is not sampled is told so in the head that has none") {
    Traced traced;
    traced.message.traceparent = "00-" + trace + "-" + caller + "-00";
    traced.exchange->look_into_body();
    CHECK(traced.exchange->traceparent() == "00-" + trace + "-" + caller + "-00");
  }

  TEST_CASE("each try has its span, which its backend is told") {
    Traced traced(sampled);
    const std::string first = traced.try_at(0);
    traced.exchange->on_head(0, Error{Error::Kind::refused, Error::Side::backend, 0, "refused"});
    const std::string second = traced.try_at(1);
    traced.exchange->on_head(200, {});
    traced.server();
    REQUIRE(traced.sink.spans.size() == 3);
    const Span& failed = traced.sink.spans[0];
    const Span& served = traced.sink.spans[1];
    CHECK(id_in(first) == to_hex(failed.context.span));
    CHECK(id_in(second) == to_hex(served.context.span));
    CHECK(first.substr(0, 36) == second.substr(0, 36));
    CHECK(failed.status == Span::Status::error);
    CHECK(text_of(failed.attributes, "error.type") == "refused");
    CHECK(text_of(failed.attributes, "mcplb.backend") == "a");
    CHECK(text_of(failed.attributes, "http.request.resend_count") == "");
    CHECK(served.status == Span::Status::unset);
    CHECK(text_of(served.attributes, "http.request.resend_count") == "1");
    CHECK(text_of(served.attributes, "http.response.status_code") == "200");
  }

  TEST_CASE("names and attributes are those of the conventions") {
    Traced traced(sampled + "MCP-Protocol-Version: 2025-06-18\r\n");
    traced.try_at(0);
    const Span& server = traced.server();
    CHECK(server.name == "tools/call get-weather");
    CHECK(traced.sink.spans.front().name == "tools/call get-weather");
    const std::pair<const char*, const char*> wanted[] = {
        {"http.request.method", "POST"},
        {"url.scheme", "https"},
        {"url.path", "/mcp"},
        {"server.address", "mcp.example.org"},
        {"server.port", "8443"},
        {"client.address", "192.0.2.7"},
        {"network.protocol.version", "1.1"},
        {"mcp.method.name", "tools/call"},
        {"mcp.protocol.version", "2025-06-18"},
        {"gen_ai.operation.name", "execute_tool"},
        {"gen_ai.tool.name", "get-weather"},
        {"jsonrpc.request.id", "a1"},
        {"http.response.status_code", "200"},
    };
    for (const auto& each : wanted) {
      CAPTURE(each.first);
      CHECK(text_of(server.attributes, each.first) == each.second);
    }
  }

  TEST_CASE("secrets are in no span: queries, session ids, credentials in URIs") {
    Traced traced(sampled + "Authorization: Bearer hunter2\r\nMcp-Session-Id: hunter2\r\n");
    traced.message.method = mcp::Method::resources_read;
    traced.message.name = "https://me:hunter2@h/r?hunter2";
    traced.try_at(0);
    traced.exchange->end(traced.record, {"hunter2", false});
    REQUIRE(traced.sink.spans.size() == 2);
    for (const Span& span : traced.sink.spans) {
      CHECK(span.name == "resources/read");
      CHECK(text_of(span.attributes, "mcp.resource.uri") == "https://h/r");
      CHECK(text_of(span.attributes, "mcp.session.id").size() == 12);
      for (const SpanAttribute& each : span.attributes) {
        CAPTURE(each.key);
        CHECK(each.text.find("hunter2") == std::string::npos);
      }
    }
  }

  TEST_CASE("names have few values, whatever clients write") {
    Traced unknown(sampled);
    unknown.message.method = mcp::Method::other;
    CHECK(unknown.server().name == "POST");
    CHECK(text_of(unknown.server().attributes, "mcp.method.name") == "_OTHER");
    Traced plain(sampled, all, "PROPFIND /pot HTTP/1.1");
    plain.message.clear();
    CHECK(plain.server().name == "HTTP");
    CHECK(text_of(plain.server().attributes, "http.request.method") == "_OTHER");
    CHECK(text_of(plain.server().attributes, "http.request.method_original") == "PROPFIND");
    Traced wordy(sampled);
    wordy.message.name = std::string(5000, 'x');
    CHECK(wordy.server().name.size() == limits::span_text_bytes_max);
  }

  TEST_CASE("an error is what the server has to answer for") {
    Traced refused(sampled);
    refused.record.status = 404;
    refused.record.reason = Reason::session_unknown;
    CHECK(refused.server().status == Span::Status::unset);
    CHECK(text_of(refused.server().attributes, "mcplb.reason") == "session_unknown");
    Traced failed(sampled);
    failed.record.status = 503;
    failed.record.reason = Reason::no_backend;
    CHECK(failed.server().status == Span::Status::error);
    CHECK(text_of(failed.server().attributes, "error.type") == "no_backend");
    Traced passed(sampled);
    passed.record.status = 500;
    CHECK(text_of(passed.server().attributes, "error.type") == "500");
    Traced broken(sampled);
    broken.record.end = {'S', 'D'};
    broken.try_at(0);
    CHECK(text_of(broken.server().attributes, "error.type") == "backend_broke");
    CHECK(broken.sink.spans.front().status == Span::Status::error);
    Traced left(sampled);
    left.record.end = {'C', 'D'};
    CHECK(left.server().status == Span::Status::unset);
  }

  TEST_CASE("a reply that a client would call an error is one of its try") {
    Traced traced(sampled);
    traced.try_at(0);
    traced.exchange->on_head(404, {});
    traced.record.status = 404;
    CHECK(traced.server().status == Span::Status::unset);
    CHECK(text_of(traced.sink.spans.front().attributes, "error.type") == "404");
  }

  TEST_CASE("look-ups and moves are events of the request, as many as there is room for") {
    Traced traced(sampled);
    traced.exchange->looked_up(session::LookupResult::Outcome::owner);
    for (std::size_t i = 0; i < limits::span_events_max; ++i)
      traced.exchange->moved(session::MoveResult::Outcome::moved, "owner fails its checks");
    const Span& server = traced.server();
    REQUIRE(server.events.size() == limits::span_events_max);
    CHECK(std::string(server.events[0].name) == "mcplb.session.looked_up");
    CHECK(text_of(server.events[0].attributes, "mcplb.outcome") == "owner");
    CHECK(std::string(server.events[1].name) == "mcplb.session.move");
    CHECK(text_of(server.events[1].attributes, "mcplb.why") == "owner fails its checks");
  }
}
