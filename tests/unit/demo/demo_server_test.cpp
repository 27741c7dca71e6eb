#include "demo/demo_server.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "unit/demo/asked.hpp"

namespace mcplb::demo {
namespace {

struct Fixture {
  net::Loop loop{limits::buffer_block_bytes};
  DemoServer server{loop, "replica-7", 2};

  test::Asked post(const std::string& session, const std::string& body) {
    std::string head = "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\n";
    if (!session.empty()) head += "Mcp-Session-Id: " + session + "\r\n";
    return test::Asked(loop, server, head, body);
  }
  test::Asked call(const std::string& session, const std::string& tool,
                   const std::string& arguments = "{}") {
    return post(session, R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":")" +
                             tool + R"(","arguments":)" + arguments +
                             R"(,"_meta":{"progressToken":"t"}}})");
  }
  test::Asked without_body(const std::string& method, const std::string& session) {
    std::string head = method + " /mcp HTTP/1.1\r\nAccept: text/event-stream\r\n";
    if (!session.empty()) head += "Mcp-Session-Id: " + session + "\r\n";
    return test::Asked(loop, server, head);
  }
  std::string open_session(const std::string& capabilities = "{}",
                           const std::string& version = "2025-11-25") {
    auto opened = post("", R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{)"
                           R"("protocolVersion":")" +
                               version + R"(","capabilities":)" + capabilities + "}}");
    return opened.field("Mcp-Session-Id");
  }
};

TEST_SUITE("demo/demo_server") {
  TEST_CASE("a session counts its own calls on its own replica") {
    Fixture fixture;
    const std::string session = fixture.open_session();
    CHECK(session.size() == 32);
    CHECK(fixture.call(session, "whoami").has_sent(R"("replica":"replica-7","calls":1)"));
    CHECK(fixture.call(session, "whoami").has_sent(R"("replica":"replica-7","calls":2)"));
    const std::string other = fixture.open_session();
    CHECK(other != session);
    CHECK(fixture.call(other, "whoami").has_sent(R"("calls":1)"));
  }

  TEST_CASE("an offered version that is unknown is answered with the newest legacy one") {
    Fixture fixture;
    auto opened = fixture.post("", R"({"jsonrpc":"2.0","id":"a","method":"initialize",)"
                                   R"("params":{"protocolVersion":"2024-11-05"}})");
    CHECK(opened.has_sent(R"("protocolVersion":"2025-11-25")"));
    CHECK(opened.has_sent(R"("id":"a")"));
  }

  TEST_CASE("an unknown session gets 404 with -32001, a missing one 400 with -32000") {
    Fixture fixture;
    auto unknown = fixture.call("nope", "whoami");
    CHECK(unknown.status() == 404);
    CHECK(unknown.has_sent(R"("id":5,"error":{"code":-32001,"message":"Session not found"})"));
    auto missing = fixture.call("", "slow");
    CHECK(missing.status() == 400);
    CHECK(missing.has_sent(R"("code":-32000)"));
    auto notified = fixture.post("", R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    CHECK(notified.status() == 400);
  }

  TEST_CASE("ping, tools/list, whoami and echo are answered without a session") {
    Fixture fixture;
    CHECK(fixture.call("", "whoami").has_sent("replica-7 (no session)"));
    CHECK(fixture.call("", "echo", R"({"text":"häh"})").has_sent("häh"));
    CHECK(fixture.post("", R"({"jsonrpc":"2.0","id":1,"method":"ping"})").status() == 200);
    auto listed = fixture.post("", R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})");
    CHECK(listed.has_sent(R"("name":"notify")"));
  }

  TEST_CASE("after DELETE the session is gone and its event stream ends") {
    Fixture fixture;
    const std::string session = fixture.open_session();
    auto stream = fixture.without_body("GET", session);
    CHECK_FALSE(stream.done());
    CHECK(fixture.without_body("DELETE", session).status() == 200);
    stream.finish();
    CHECK(stream.has_sent("\r\n0\r\n\r\n"));
    CHECK(fixture.call(session, "whoami").status() == 404);
    CHECK(fixture.without_body("DELETE", session).status() == 404);
  }

  TEST_CASE("a session has one event stream at a time") {
    Fixture fixture;
    const std::string session = fixture.open_session();
    auto first = fixture.without_body("GET", session);
    CHECK(first.field("Content-Type") == "text/event-stream");
    CHECK(fixture.without_body("GET", session).status() == 409);
    first.leave();
    CHECK(fixture.without_body("GET", session).status() == 200);
  }

  TEST_CASE("notify sends a message on the event stream, if there is one") {
    Fixture fixture;
    const std::string session = fixture.open_session();
    CHECK(fixture.call(session, "notify").has_sent(R"("isError":true)"));
    auto stream = fixture.without_body("GET", session);
    CHECK(fixture.call(session, "notify", R"({"text":"hello"})").has_sent("sent on"));
    fixture.without_body("DELETE", session);
    stream.finish();
    CHECK(stream.has_sent(R"("method":"notifications/message")"));
    CHECK(stream.has_sent(R"("data":"hello")"));
  }

  TEST_CASE("notifications and posted responses get 202 with an empty body") {
    Fixture fixture;
    const std::string session = fixture.open_session();
    for (const char* body : {R"({"jsonrpc":"2.0","method":"notifications/initialized"})",
                             R"({"jsonrpc":"2.0","id":99,"result":{}})"}) {
      auto accepted = fixture.post(session, body);
      CHECK(accepted.status() == 202);
      CHECK(accepted.body().empty());
    }
  }

  TEST_CASE("slow streams its progress and then the result") {
    Fixture fixture;
    const std::string session = fixture.open_session();
    auto slow = fixture.call(session, "slow", R"({"steps":2,"delay_ms":1})");
    CHECK_FALSE(slow.has_sent("notifications/progress"));
    slow.finish();
    CHECK(slow.has_sent(R"("progressToken":"t","progress":2,"total":2)"));
    CHECK(slow.has_sent("replica-7 is done after 2 steps"));
  }

  TEST_CASE("slow answers as JSON when the client reads no event streams") {
    Fixture fixture;
    const std::string session = fixture.open_session();
    const std::string head =
        "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\n"
        "Accept: application/json\r\nMcp-Session-Id: " +
        session + "\r\n";
    test::Asked slow(fixture.loop, fixture.server, head,
                     R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"slow",)"
                     R"("arguments":{"steps":1,"delay_ms":0},"_meta":{"progressToken":1}}})");
    slow.finish();
    CHECK(slow.field("Content-Type") == "application/json");
    CHECK_FALSE(slow.has_sent("notifications/progress"));
  }

  TEST_CASE("ask puts a question on its own stream and returns the posted answer") {
    Fixture fixture;
    const std::string session = fixture.open_session(R"({"elicitation":{}})");
    auto ask = fixture.call(session, "ask", R"({"question":"Who?"})");
    CHECK(ask.has_sent(R"("id":1,"method":"elicitation/create","params":{"message":"Who?")"));
    auto answer =
        fixture.post(session, R"({"jsonrpc":"2.0","id":1,"result":{"action":"decline"}})");
    CHECK(answer.status() == 202);
    ask.finish();
    CHECK(ask.has_sent(R"(the client answered {\"action\":\"decline\"})"));
  }

  TEST_CASE("ask falls back to sampling, and fails in words when the client knows neither") {
    Fixture fixture;
    const std::string able = fixture.open_session(R"({"sampling":{}})");
    CHECK(fixture.call(able, "ask").has_sent(R"("method":"sampling/createMessage")"));
    const std::string unable = fixture.open_session();
    CHECK(fixture.call(unable, "ask").has_sent("neither elicitation nor sampling"));
  }

  TEST_CASE("a question whose session ends is answered at once") {
    Fixture fixture;
    const std::string session = fixture.open_session(R"({"elicitation":{}})");
    auto ask = fixture.call(session, "ask");
    fixture.without_body("DELETE", session);
    ask.finish();
    CHECK(ask.has_sent("the client did not answer"));
  }

  TEST_CASE("the session that was idle for longest makes room for a new one") {
    Fixture fixture;
    const std::string first = fixture.open_session();
    const std::string second = fixture.open_session();
    CHECK(fixture.call(first, "whoami").status() == 200);
    const std::string third = fixture.open_session();
    CHECK(fixture.server.sessions() == 2);
    CHECK(fixture.call(second, "whoami").status() == 404);
    auto first_stream = fixture.without_body("GET", first);
    auto third_stream = fixture.without_body("GET", third);
    CHECK(fixture.open_session().empty());
  }

  TEST_CASE("only 2025-03-26 sessions have batches") {
    Fixture fixture;
    const std::string batch = R"([{"jsonrpc":"2.0","id":1,"method":"ping"},)"
                              R"({"jsonrpc":"2.0","method":"notifications/x"},)"
                              R"({"jsonrpc":"2.0","id":2,"method":"tools/call",)"
                              R"("params":{"name":"slow"}}])";
    auto answered = fixture.post(fixture.open_session("{}", "2025-03-26"), batch);
    CHECK(answered.body().starts_with(R"([{"jsonrpc":"2.0","id":1,"result":{}},)"));
    CHECK(answered.has_sent("outside of a batch"));
    CHECK(fixture.post(fixture.open_session(), batch).status() == 400);
  }

  TEST_CASE("hostile bodies are refused") {
    Fixture fixture;
    CHECK(fixture.post("", "{").has_sent("-32700"));
    CHECK(fixture.post("", std::string(100'000, '[')).status() == 400);
    CHECK(fixture.post("", R"({"jsonrpc":"1.0","id":1,"method":"ping"})").status() == 400);
    CHECK(fixture.post("", R"({"jsonrpc":"2.0","id":{},"method":"ping"})").status() == 400);
    const std::string deep(json_depth_max + 2, '[');
    CHECK(fixture.call("", "echo", deep + std::string(deep.size(), ']')).status() == 400);
  }

  TEST_CASE("pages of other hosts are refused, those of this machine are not") {
    Fixture fixture;
    const std::string line = "GET /mcp HTTP/1.1\r\nOrigin: ";
    const auto status = [&](const std::string& origin) {
      return test::Asked(fixture.loop, fixture.server, line + origin + "\r\n").status();
    };
    CHECK(status("http://evil.example") == 403);
    CHECK(status("http://localhost.evil.example:8080") == 403);
    CHECK(status("null") == 403);
    CHECK(status("http://127.0.0.1:9180") == 405);
    CHECK(status("http://[::1]") == 405);
  }

  TEST_CASE("health names the replica") {
    Fixture fixture;
    test::Asked health(fixture.loop, fixture.server, "GET /health HTTP/1.1\r\n");
    CHECK(health.body() == R"({"status":"ok","replica":"replica-7"})");
  }
}

}  // namespace
}  // namespace mcplb::demo
