// One check after another against a backend that the test plays.
#include <optional>

#include <doctest/doctest.h>

#include "cluster/checks/checks.hpp"
#include "support/backends.hpp"
#include "support/check_doors.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

using Kind = HealthSettings::Check;

HealthSettings of(Kind kind) {
  HealthSettings settings;
  settings.check = kind;
  return settings;
}

struct Checking {
  explicit Checking(const HealthSettings& settings)
      : check(make_check(settings, backends[0], doors)) {}

  void begin() {
    running.emplace(test::run(check->run(clock.in(milliseconds(2000)))));
    doors.pump();
  }
  CheckAnswer& answer() {
    REQUIRE(running);
    REQUIRE(running->done());
    return running->result();
  }
  // The one request that has arrived on the newest connection.
  std::string request() { return doors.request(); }
  void reply(const std::string& status, const std::string& body = "",
             const std::string& fields = "Content-Type: application/json\r\n") {
    doors.reply(status, body, fields);
  }
  void result(const std::string& seen, const std::string& fields = "") {
    reply("200 OK", test::result_for(seen), "Content-Type: application/json\r\n" + fields);
  }
  int connects() { return doors.connects["a"]; }

  test::FakeClock clock;
  test::Backends backends{1};
  test::CheckDoors doors{clock};
  std::unique_ptr<Check> check;
  std::optional<test::Running<CheckAnswer>> running;
};

bool has_line(const std::string& request, const std::string& line) {
  return request.find("\r\n" + line + "\r\n") != std::string::npos;
}
bool says(const std::string& request, const std::string& method) {
  return request.find("\"method\":\"" + method + "\"") != std::string::npos;
}

// Plays a legacy server until the canary is open.
void open_canary(Checking& c, const std::string& session = "canary-1") {
  c.begin();
  REQUIRE(says(c.request(), "server/discover"));
  c.reply("400 Bad Request");
  const std::string initialize = c.request();
  REQUIRE(says(initialize, "initialize"));
  const std::string field = session.empty() ? "" : "Mcp-Session-Id: " + session + "\r\n";
  c.reply("200 OK", test::result_for(initialize, R"({"protocolVersion":"2025-06-18"})"),
          "Content-Type: application/json\r\n" + field);
  REQUIRE(says(c.request(), "notifications/initialized"));
  c.reply("202 Accepted");
  REQUIRE(c.answer().good);
}

}  // namespace

TEST_SUITE("cluster/tcp_check") {
  TEST_CASE("a connection is enough, and it is closed unused") {
    Checking c(of(Kind::tcp));
    c.begin();
    CHECK(c.answer().good);
    CHECK(c.request().empty());
    CHECK(c.doors.pipes.back()->far->peer_has_ended());
    CHECK_FALSE(c.check->leaves_something());
  }

  TEST_CASE("a refused connection is bad and says so") {
    Checking c(of(Kind::tcp));
    c.doors.refusing = {"a"};
    c.begin();
    CHECK_FALSE(c.answer().good);
    CHECK(c.answer().text == "refused");
  }
}

TEST_SUITE("cluster/http_check") {
  TEST_CASE("asks for /health as a client of the backend's URL would") {
    Checking c(of(Kind::http));
    c.begin();
    const std::string seen = c.request();
    CHECK(seen.starts_with("GET /health HTTP/1.1\r\n"));
    CHECK(has_line(seen, "Host: 127.0.0.1"));
    CHECK(has_line(seen, "User-Agent: mcplb health check"));
  }

  TEST_CASE("path and host are the operator's to set") {
    HealthSettings settings = of(Kind::http);
    settings.path = "/up?deep=1";
    settings.host = "mcp.example";
    Checking c(settings);
    c.begin();
    const std::string seen = c.request();
    CHECK(seen.starts_with("GET /up?deep=1 HTTP/1.1\r\n"));
    CHECK(has_line(seen, "Host: mcp.example"));
  }

  TEST_CASE("200 to 399 is good, anything else bad, and the status is told") {
    for (const auto& each : {std::pair<int, bool>{200, true},
                                       {204, true},
                                       {302, true},
                                       {399, true},
                                       {400, false},
                                       {401, false},
                                       {404, false},
                                       {500, false},
                                       {503, false}}) {
      const int status = each.first;
      const bool good = each.second;
      CAPTURE(status);
      Checking c(of(Kind::http));
      c.begin();
      c.reply(std::to_string(status) + " X");
      CHECK(c.answer().good == good);
      CHECK(c.answer().text == "status " + std::to_string(status));
    }
  }

  TEST_CASE("a body that never ends is not waited for") {
    Checking c(of(Kind::http));
    c.begin();
    c.doors.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx");
    CHECK(c.answer().good);
  }

  TEST_CASE("a process that accepts and says nothing is bad at the deadline") {
    Checking c(of(Kind::http));
    c.begin();
    c.clock.advance(milliseconds(2100));
    CHECK_FALSE(c.answer().good);
  }

  TEST_CASE("a reply that is not HTTP is bad") {
    Checking c(of(Kind::http));
    c.begin();
    c.doors.send("SSH-2.0-x\r\n\r\n");
    CHECK_FALSE(c.answer().good);
  }
}

TEST_SUITE("cluster/mcp_check") {
  TEST_CASE("a modern server is asked one question, with every header that it wants") {
    Checking c(of(Kind::mcp));
    for (int i = 0; i < 3; ++i) {
      c.begin();
      const std::string seen = c.request();
      CHECK(seen.starts_with("POST /mcp HTTP/1.1\r\n"));
      CHECK(has_line(seen, "Accept: application/json, text/event-stream"));
      CHECK(has_line(seen, "Content-Type: application/json"));
      CHECK(has_line(seen, "MCP-Protocol-Version: 2026-07-28"));
      CHECK(has_line(seen, "Mcp-Method: server/discover"));
      CHECK(seen.find("Mcp-Session-Id") == std::string::npos);
      c.result(seen);
      CHECK(c.answer().good);
    }
    CHECK(c.connects() == 3);
    CHECK_FALSE(c.check->leaves_something());
  }

  TEST_CASE("a legacy server is opened a session once, and pinged in it from then on") {
    Checking c(of(Kind::mcp));
    open_canary(c);
    CHECK(c.connects() == 3);
    for (int i = 0; i < 3; ++i) {
      c.begin();
      const std::string seen = c.request();
      CHECK(says(seen, "ping"));
      CHECK(has_line(seen, "Mcp-Session-Id: canary-1"));
      CHECK(has_line(seen, "MCP-Protocol-Version: 2025-06-18"));
      CHECK(seen.find("Mcp-Method") == std::string::npos);
      c.result(seen);
      CHECK(c.answer().good);
      CHECK_FALSE(c.answer().restarted);
    }
    CHECK(c.connects() == 6);
  }

  TEST_CASE("a legacy server without sessions is pinged without one") {
    Checking c(of(Kind::mcp));
    open_canary(c, "");
    c.begin();
    const std::string seen = c.request();
    CHECK(says(seen, "ping"));
    CHECK(seen.find("Mcp-Session-Id") == std::string::npos);
    c.result(seen);
    CHECK(c.answer().good);
    CHECK_FALSE(c.check->leaves_something());
  }

  TEST_CASE("the end deletes the canary") {
    Checking c(of(Kind::mcp));
    open_canary(c);
    CHECK(c.check->leaves_something());
    auto ending = test::run(c.check->end(c.clock.in(milliseconds(1000))));
    const std::string seen = c.request();
    CHECK(seen.starts_with("DELETE /mcp HTTP/1.1\r\n"));
    CHECK(has_line(seen, "Mcp-Session-Id: canary-1"));
    c.reply("200 OK");
    CHECK(ending.done());
    CHECK_FALSE(c.check->leaves_something());
  }

  TEST_CASE("a canary that vanished is made anew at once: the check is good, the backend suspect") {
    Checking c(of(Kind::mcp));
    open_canary(c);
    c.begin();
    const std::string ping = c.request();
    c.reply("404 Not Found", test::error_for(ping, -32001, "Session not found"));
    CHECK(says(c.request(), "server/discover"));
    c.reply("400 Bad Request");
    const std::string initialize = c.request();
    CHECK(says(initialize, "initialize"));
    c.result(initialize, "Mcp-Session-Id: canary-2\r\n");
    c.request();
    c.reply("202 Accepted");
    CHECK(c.answer().good);
    CHECK(c.answer().restarted);
    c.begin();
    CHECK(has_line(c.request(), "Mcp-Session-Id: canary-2"));
  }

  TEST_CASE("a server that comes back without the canary and as a modern one is met as that") {
    Checking c(of(Kind::mcp));
    open_canary(c);
    c.begin();
    c.request();
    c.reply("404 Not Found");
    c.result(c.request());
    CHECK(c.answer().good);
    CHECK(c.answer().restarted);
    CHECK_FALSE(c.check->leaves_something());
  }

  TEST_CASE("a canary that cannot be made again makes the check bad, and suspect all the same") {
    Checking c(of(Kind::mcp));
    open_canary(c);
    c.begin();
    c.request();
    c.reply("404 Not Found");
    c.request();
    c.reply("503 Service Unavailable");
    CHECK_FALSE(c.answer().good);
    CHECK(c.answer().restarted);
    CHECK(c.answer().text == "server/discover: status 503");
  }

  TEST_CASE("silence keeps the canary for when the server speaks again") {
    Checking c(of(Kind::mcp));
    open_canary(c);
    for (int i = 0; i < 5; ++i) {
      c.begin();
      c.clock.advance(milliseconds(2100));
      CHECK_FALSE(c.answer().good);
    }
    c.begin();
    const std::string seen = c.request();
    CHECK(has_line(seen, "Mcp-Session-Id: canary-1"));
    c.result(seen);
    CHECK(c.answer().good);
    CHECK_FALSE(c.answer().restarted);
  }

  TEST_CASE("a canary that is answered badly twice is replaced, and the old one deleted") {
    Checking c(of(Kind::mcp));
    open_canary(c);
    for (int i = 0; i < 2; ++i) {
      c.begin();
      CHECK(says(c.request(), "ping"));
      c.reply("500 Internal Server Error");
      CHECK_FALSE(c.answer().good);
      CHECK_FALSE(c.answer().restarted);
    }
    c.begin();
    const std::string initialize = c.request();
    CHECK(says(initialize, "initialize"));
    c.result(initialize, "Mcp-Session-Id: canary-2\r\n");
    c.request();
    c.reply("202 Accepted");
    const std::string goodbye = c.request();
    CHECK(goodbye.starts_with("DELETE "));
    CHECK(has_line(goodbye, "Mcp-Session-Id: canary-1"));
    c.reply("200 OK");
    CHECK(c.answer().good);
  }

  TEST_CASE("401 and 403 are life, and open nothing") {
    for (const char* const status : {"401 Unauthorized", "403 Forbidden"}) {
      Checking c(of(Kind::mcp));
      c.begin();
      c.request();
      c.reply(status);
      CHECK(c.answer().good);
      CHECK(c.connects() == 1);
      CHECK_FALSE(c.check->leaves_something());
    }
  }

  TEST_CASE("a session that a refused message has opened is deleted") {
    Checking c(of(Kind::mcp));
    c.begin();
    c.request();
    c.reply("400 Bad Request", "", "Mcp-Session-Id: stray\r\n");
    const std::string initialize = c.request();
    c.result(initialize, "Mcp-Session-Id: canary-1\r\n");
    c.request();
    c.reply("202 Accepted");
    const std::string goodbye = c.request();
    CHECK(goodbye.starts_with("DELETE "));
    CHECK(has_line(goodbye, "Mcp-Session-Id: stray"));
    c.reply("200 OK");
    CHECK(c.answer().good);
  }

  TEST_CASE("a wrong path shows both refusals") {
    Checking c(of(Kind::mcp));
    c.begin();
    c.request();
    c.reply("404 Not Found", "<html>", "Content-Type: text/html\r\n");
    c.request();
    c.reply("404 Not Found", "<html>", "Content-Type: text/html\r\n");
    CHECK_FALSE(c.answer().good);
    CHECK(c.answer().text == "server/discover: status 404; initialize: status 404");
  }

  TEST_CASE("the whole check has one deadline") {
    Checking c(of(Kind::mcp));
    c.begin();
    c.request();
    c.clock.advance(milliseconds(1500));
    c.reply("400 Bad Request");
    CHECK(says(c.request(), "initialize"));
    c.clock.advance(milliseconds(600));
    CHECK_FALSE(c.answer().good);
  }

  TEST_CASE("cancelled in the middle it closes its connection") {
    Checking c(of(Kind::mcp));
    c.begin();
    c.request();
    CHECK(c.check->leaves_something());
    c.running->cancel();
    CHECK(c.doors.pipes.back()->far->peer_has_ended());
  }
}
