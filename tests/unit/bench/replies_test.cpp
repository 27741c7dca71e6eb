#include "load/replies.hpp"

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/mcp/message.hpp"

#include "load/requests.hpp"

using namespace mcplb;
using namespace mcplb::bench;

namespace {

std::string result_of(Tool tool, std::string_view id, std::string_view tag, bool modern = false) {
  std::string out;
  append_result(out, {id, "a", tag, modern}, tool);
  return out;
}

std::string stream_of(int notifications, const std::string& result) {
  std::string out;
  for (int number = 1; number <= notifications; ++number) {
    std::string progress;
    append_progress(progress, "7", number);
    append_sse(out, progress);
  }
  append_sse(out, result);
  return out;
}

// What a server makes of a request: the classifier checks all that the era demands.
mcp::Message classified(const std::string& request) {
  const std::size_t size = request.find("\r\n\r\n") + 4;
  http::RequestHead head;
  REQUIRE(http::parse_request_head(std::string_view(request).substr(0, size), {}, head));
  std::string body = request.substr(size);
  CHECK(head.content_length == body.size());
  body.reserve(body.size() + mcp::Classifier::padding_bytes);
  mcp::Classifier classifier;
  mcp::Message message;
  mcp::Refusal refusal;
  CHECK_MESSAGE(classifier.classify(head, body, message, refusal), refusal.what);
  return message;
}

}  // namespace

TEST_SUITE("bench/replies") {
  TEST_CASE("a result is right when every byte is, and names its server") {
    ReplyChecker checker;
    for (const Tool tool : {Tool::small, Tool::large}) {
      const std::string body = result_of(tool, "7", tag_of(7));
      CHECK(checker.result(body, tool, 7, false) == "a");
      CHECK_FALSE(checker.result(body, tool, 8, false));
      CHECK_FALSE(checker.result(body, tool, 7, true));
      CHECK_FALSE(checker.result(body + " ", tool, 7, false));
      CHECK_FALSE(checker.result(result_of(tool, "7", tag_of(8)), tool, 7, false));
      std::string changed = body;
      changed[body.size() - result_end.size() - 1] ^= 1;
      CHECK_FALSE(checker.result(changed, tool, 7, false));
    }
    CHECK_FALSE(checker.result("", Tool::small, 7, false));
    const std::string modern = result_of(Tool::small, "7", tag_of(7), true);
    CHECK(checker.result(modern, Tool::small, 7, true) == "a");
  }

  TEST_CASE("an event stream has nine notifications and the result, with comments or without") {
    ReplyChecker checker;
    const std::string result = result_of(Tool::events, "7", tag_of(7));
    const std::string right = stream_of(progress_events, result);
    CHECK(checker.event_stream(right, 7, false) == "a");
    CHECK(checker.event_stream(": keep-alive\n\n" + right + ": bye\n\n", 7, false) == "a");
    CHECK_FALSE(checker.event_stream(stream_of(progress_events - 1, result), 7, false));
    CHECK_FALSE(checker.event_stream(stream_of(progress_events + 1, result), 7, false));
    CHECK_FALSE(checker.event_stream(right + stream_of(0, result), 7, false));
    CHECK_FALSE(checker.event_stream(right.substr(0, right.size() - 2), 7, false));
    CHECK_FALSE(checker.event_stream("", 7, false));
  }

  TEST_CASE("the answers that open something name their server") {
    ReplyChecker checker;
    std::string body;
    append_initialize_result(body, {"7", "server-2", {}, false});
    CHECK(checker.initialize_result(body, 7) == "server-2");
    CHECK_FALSE(checker.initialize_result(body, 6));
    CHECK_FALSE(checker.discover_result(body, 7));
    body.clear();
    append_discover_result(body, {"7", "b", {}, true});
    CHECK(checker.discover_result(body, 7) == "b");
    CHECK_FALSE(checker.discover_result(body + "x", 7));
  }

  TEST_CASE("an event on a stream can be read again") {
    std::string json;
    append_event(json, {12, 1'700'000'000'000'000}, 200);
    CHECK(json.size() == 200);
    Event event;
    REQUIRE(read_event(json, event));
    CHECK(event.number == 12);
    CHECK(event.sent_us == 1'700'000'000'000'000);
    CHECK_FALSE(read_event(json.substr(1), event));
    CHECK_FALSE(read_event(json.substr(0, 199), event));
  }
}

TEST_SUITE("bench/requests") {
  TEST_CASE("what is sent is what each era asks for") {
    const std::string id = "0123456789abcdef0123456789abcdef";
    for (const bool modern : {false, true}) {
      Scenario scenario;
      scenario.url = {"127.0.0.1", 80, "/mcp"};
      scenario.modern = modern;
      Requests requests(scenario);
      for (const char* const tool : {"small", "large", "events", "sleep"}) {
        MixItem item;
        item.name = tool;
        item.tool = tool_of(tool);
        std::string request;
        requests.call(request, modern ? Session{} : Session{id, "a"}, item, 5);
        const mcp::Message message = classified(request);
        CHECK(message.method == mcp::Method::tools_call);
        CHECK(message.name == tool);
        CHECK(message.id_json == "5");
        CHECK(message.era == (modern ? mcp::Era::modern : mcp::Era::legacy));
      }
    }
  }

  TEST_CASE("a session is opened, confirmed and named") {
    Scenario scenario;
    scenario.url = {"127.0.0.1", 80, "/mcp"};
    scenario.headers = {{"X-Test", "1"}};
    Requests requests(scenario);
    std::string request;
    requests.initialize(request, 1);
    CHECK(classified(request).opens_session());
    CHECK(request.find("\r\nX-Test: 1\r\n") != std::string::npos);
    const Session session{"0123456789abcdef", "a"};
    request.clear();
    requests.initialized(request, session);
    CHECK(classified(request).kind == mcp::Kind::notification);
    request.clear();
    requests.remove(request, session);
    CHECK(classified(request).kind == mcp::Kind::del);
    request.clear();
    requests.open_stream(request, session);
    CHECK(classified(request).kind == mcp::Kind::stream);
    CHECK(request.find("Mcp-Session-Id: 0123456789abcdef\r\n") != std::string::npos);
  }

  TEST_CASE("discovery names its method in head and body") {
    Scenario scenario;
    scenario.url = {"127.0.0.1", 80, "/mcp"};
    scenario.modern = true;
    Requests requests(scenario);
    std::string request;
    requests.discover(request, 1);
    CHECK(classified(request).method == mcp::Method::server_discover);
  }
}
