#include "mcplb/session/move.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "unit/session/moving.hpp"

using namespace mcplb;
using namespace mcplb::session;
using Outcome = MoveResult::Outcome;

namespace {

// Only b is left besides the owner, which is gone.
void only_b(World& world) { world.behaviours["b"] = world.good(); }

bool has_line(const std::string& request, const std::string& line) {
  return request.find("\r\n" + line + "\r\n") != std::string::npos;
}

}  // namespace

TEST_SUITE("session/move") {
  TEST_CASE("opens the session again on a backend that is left") {
    World world;
    only_b(world);
    Balancer lb(world);
    lb.open("s-1");
    const MoveResult result = lb.move(lb.query("s-1"));
    CHECK(result.outcome == Outcome::moved);
    CHECK(lb.owner("s-1") == "b 2 new-1");
    CHECK(world.heard() == "b initialize; b notifications/initialized new-1; ");
    CHECK(lb.events.value(Event::moved) == 1);
    CHECK(lb.mover->moving() == 0);
    CHECK(lb.pool.view()->find("a")->sessions() == 0);
    CHECK(lb.pool.view()->find("b")->sessions() == 1);
  }

  TEST_CASE("sends what the client sent, with the credentials of the present request") {
    World world;
    only_b(world);
    Balancer lb(world);
    lb.open("s-1");
    lb.move(lb.query("s-1"));
    REQUIRE(world.requests.size() == 2);
    CHECK(world.requests[0].starts_with("POST /mcp?k=1 HTTP/1.1\r\nHost: mcp.example\r\n"));
    CHECK(world.requests[0].ends_with("\r\n\r\n" + initialize_body));
    CHECK_FALSE(has_line(world.requests[0], "MCP-Protocol-Version: 2025-06-18"));
    CHECK(has_line(world.requests[1], "MCP-Protocol-Version: 2025-06-18"));
    for (const std::string& request : world.requests) {
      CHECK(has_line(request, "Authorization: Bearer t"));
      CHECK(has_line(request, "X-Forwarded-For: 9.9.9.9"));
      CHECK(has_line(request, "Accept: application/json, text/event-stream"));
    }
  }

  TEST_CASE("a revision without the header goes without it") {
    World world;
    world.behaviours["b"] = world.good(capabilities_text, "2025-03-26");
    Balancer lb(world);
    lb.open("s-1", {initialize_body, "2025-03-26", capabilities_text});
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
    CHECK(world.requests[1].find("MCP-Protocol-Version") == std::string::npos);
  }

  TEST_CASE("replays the small state, and does without what is refused") {
    World world;
    world.behaviours["b"] = [good = world.good()](const std::string& request) {
      if (request.find("file:///no") == std::string::npos) return good(request);
      return std::optional<std::string>("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    };
    Balancer lb(world);
    lb.open("s-1");
    lb.directory.note_journal("s-1", mcp::Method::logging_set_level,
                              R"({"method":"logging/setLevel","params":{"level":"error"}})");
    for (const char* uri : {"file:///no", "file:///\\\"q"}) {
      lb.directory.note_journal("s-1", mcp::Method::resources_subscribe,
                                std::string(R"({"params":{"uri":")") + uri + R"("}})");
    }
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
    CHECK(world.heard() ==
          "b initialize; b notifications/initialized new-1; b logging/setLevel new-1; "
          "b resources/subscribe new-1; b resources/subscribe new-1; ");
    CHECK(world.requests[2].find(R"("params":{"level":"error"})") != std::string::npos);
    CHECK(world.requests[4].find(R"("params":{"uri":"file:///\"q"})") != std::string::npos);
  }

  TEST_CASE("the reply may be an event stream") {
    World world;
    world.behaviours["b"] = [good = world.good()](const std::string& request) {
      if (request.find("\"initialize\"") == std::string::npos) return good(request);
      const std::string data =
          "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n"
          "data: {\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\","
          "\"capabilities\":" + capabilities_text + "}}\n\n";
      // The stream stays open.
      return std::optional<std::string>(
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: x\r\n"
          "Content-Length: 9999\r\n\r\n" + data);
    };
    Balancer lb(world);
    lb.open("s-1");
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
    CHECK(lb.owner("s-1") == "b 2 x");
  }

  TEST_CASE("a lesser server is no place for it: its session is deleted and the next one tried") {
    for (const auto& [capabilities, protocol] :
         {std::pair<std::string, std::string>{R"({"tools":{}})", "2025-06-18"},
          {capabilities_text, "2025-03-26"}}) {
      World world;
      world.behaviours["b"] = world.good(capabilities, protocol);
      world.behaviours["c"] = world.good(capabilities, protocol);
      Balancer lb(world);
      lb.open("s-1");
      CHECK(lb.move(lb.query("s-1")).outcome == Outcome::lost);
      CHECK(world.count("initialize") == 2);
      CHECK(world.count("b DELETE new-") == 1);
      CHECK(world.count("c DELETE new-") == 1);
      CHECK(lb.owner("s-1").empty());
    }
  }

  TEST_CASE("it is lost when nobody knows how it was opened") {
    World world;
    only_b(world);
    Balancer lb(world);
    lb.open("s-1", {});
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::lost);
    CHECK(world.heard().empty());
    CHECK(lb.owner("s-1").empty());
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::lost);
  }

  TEST_CASE("a refusal is for the client, and the session stays as it was") {
    World world;
    for (const char* name : {"b", "c"}) {
      world.behaviours[name] = World::says(http_reply(
          "401 Unauthorized", "WWW-Authenticate: Bearer\r\nContent-Type: text/plain\r\n", "who?"));
    }
    Balancer lb(world);
    lb.open("s-1");
    const MoveResult result = lb.move(lb.query("s-1"));
    CHECK(result.outcome == Outcome::forbidden);
    CHECK(result.refusal.status == 401);
    CHECK(result.refusal.www_authenticate == "Bearer");
    CHECK(result.refusal.body == "who?");
    CHECK(world.lines.size() == 1);
    CHECK(lb.owner("s-1") == "a 1 ");
    // The next one may have other credentials.
    only_b(world);
    world.behaviours.erase("c");
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
  }

  TEST_CASE("nobody is left: the session is kept") {
    World world;
    Balancer lb(world);
    lb.open("s-1");
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::no_backend);
    lb.pool.view()->find("b")->set_healthy(false);
    lb.pool.view()->find("c")->set_healthy(false);
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::no_backend);
    CHECK(lb.owner("s-1") == "a 1 ");
  }

  TEST_CASE("a backend that is full takes no more sessions") {
    World world;
    only_b(world);
    Balancer lb(world);
    lb.settings.max_per_backend = 1;
    lb.open("s-1");
    lb.pool.view()->find("b")->add_session(1);
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::no_backend);
    CHECK(world.heard().empty());
    lb.pool.view()->find("b")->add_session(-1);
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
  }

  TEST_CASE("silence and server errors keep the session, within the bound") {
    World world;
    world.behaviours["b"] = World::silent();
    world.behaviours["c"] = World::says(http_reply("503 Service Unavailable", "", ""));
    Balancer lb(world);
    lb.open("s-1");
    const auto bound = static_cast<int>(limits::session_move.count()) + 100;
    CHECK(lb.move(lb.query("s-1"), bound).outcome == Outcome::unavailable);
    CHECK(lb.owner("s-1") == "a 1 ");
    CHECK(lb.mover->moving() == 0);
  }

  TEST_CASE("an owner that forgot the session may be the one that opens it again") {
    World world;
    world.behaviours["a"] = world.good();
    Balancer lb(world);
    lb.open("s-1");
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::no_backend);
    MoveQuery query = lb.query("s-1");
    query.from_forgot = true;
    CHECK(lb.move(std::move(query)).outcome == Outcome::moved);
    CHECK(lb.owner("s-1") == "a 2 new-1");
    CHECK(lb.pool.view()->find("a")->sessions() == 1);
  }

  TEST_CASE("after a drain the old owner is told, by the name that it knows") {
    World world;
    only_b(world);
    world.behaviours["a"] = world.good();
    Balancer lb(world);
    lb.open("s-1");
    MoveQuery query = lb.query("s-1");
    query.from_lives = true;
    query.at_backend = "inside-1";
    CHECK(lb.move(std::move(query)).outcome == Outcome::moved);
    CHECK(world.lines.back() == "a DELETE inside-1");
    CHECK(has_line(world.requests.back(), "Authorization: Bearer t"));
  }

  TEST_CASE("a drain that finds no place leaves the session where it is") {
    World world;
    world.behaviours["b"] = world.good("{}");
    world.behaviours["c"] = world.good("{}");
    Balancer lb(world);
    lb.open("s-1");
    MoveQuery query = lb.query("s-1");
    query.from_lives = true;
    query.at_backend = "s-1";
    CHECK(lb.move(std::move(query)).outcome == Outcome::lost);
    CHECK(lb.owner("s-1") == "a 1 ");
    CHECK(world.count("a DELETE") == 0);
  }

  TEST_CASE("when its owner is gone, those marked down are tried last") {
    World world;
    only_b(world);
    Balancer lb(world);
    lb.open("s-1");
    for (const char* name : {"b", "c"}) lb.pool.view()->find(name)->set_healthy(false);
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
    CHECK(lb.owner("s-1") == "b 2 new-1");
    // Its next request must not leave it for being down, and new sessions still go elsewhere.
    CHECK(lb.pool.view()->find("b")->keeps_sessions());
    CHECK_FALSE(lb.pool.view()->find("b")->usable());
    CHECK_FALSE(lb.pool.view()->find("c")->keeps_sessions());
  }

  TEST_CASE("a drain moves nothing to a backend that is marked down") {
    World world;
    only_b(world);
    Balancer lb(world);
    lb.open("s-1");
    for (const char* name : {"b", "c"}) lb.pool.view()->find(name)->set_healthy(false);
    MoveQuery query = lb.query("s-1");
    query.from_lives = true;
    query.at_backend = "s-1";
    CHECK(lb.move(std::move(query)).outcome == Outcome::no_backend);
    CHECK(world.heard().empty());
  }

  TEST_CASE("one that is deleted meanwhile leaves nothing behind") {
    World world;
    world.behaviours["b"] = World::silent();
    Balancer lb(world);
    lb.pool.view()->find("c")->set_healthy(false);
    lb.open("s-1");
    auto running = lb.begin(lb.query("s-1"));
    lb.settle();
    lb.directory.forget("s-1");
    only_b(world);
    lb.settle();
    REQUIRE(running.done());
    CHECK(running.result().outcome == Outcome::lost);
    CHECK(world.count("b DELETE new-1") == 1);
  }

  TEST_CASE("a client that leaves does not stop what was begun") {
    World world;
    world.behaviours["b"] = World::silent();
    Balancer lb(world);
    lb.pool.view()->find("c")->set_healthy(false);
    lb.open("s-1");
    auto running = lb.begin(lb.query("s-1"));
    lb.settle();
    running.cancel();
    only_b(world);
    lb.settle();
    CHECK(lb.owner("s-1") == "b 2 new-1");
    CHECK(lb.mover->moving() == 0);
  }
}

TEST_SUITE("session/move at once") {
  TEST_CASE("requests of one session make one attempt, on one worker and on several") {
    for (const bool other_worker : {false, true}) {
      World world;
      world.behaviours["b"] = World::silent();
      Balancer one(world);
      Balancer two(world, nullptr, &one);
      two.pool.view()->find("c")->set_healthy(false);
      one.pool.view()->find("c")->set_healthy(false);
      Balancer& second_at = other_worker ? two : one;
      one.open("s-1");
      auto first = one.begin(one.query("s-1"));
      auto second = second_at.begin(one.query("s-1"));
      one.settle();
      two.settle();
      only_b(world);
      one.settle();
      second_at.pass(32);
      REQUIRE(first.done());
      REQUIRE(second.done());
      CHECK(first.result().outcome == Outcome::moved);
      CHECK(second.result().outcome == Outcome::moved);
      CHECK(world.count("initialize") == 2);  // and its notification
      CHECK(one.owner("s-1") == "b 2 new-1");
    }
  }

  TEST_CASE("who waits tries for himself when the first one fails") {
    World world;
    Balancer lb(world);
    lb.open("s-1");
    world.behaviours["b"] = World::silent();
    lb.pool.view()->find("c")->set_healthy(false);
    auto first = lb.begin(lb.query("s-1"));
    auto second = lb.begin(lb.query("s-1"));
    lb.settle();
    world.behaviours["b"] = World::says(http_reply("401 Unauthorized", "", ""));
    lb.settle();
    REQUIRE(first.done());
    CHECK(first.result().outcome == Outcome::forbidden);
    CHECK_FALSE(second.done());
    only_b(world);
    lb.pass(32);
    REQUIRE(second.done());
    CHECK(second.result().outcome == Outcome::moved);
  }

  TEST_CASE("those beyond the bound wait for their turn") {
    World world;
    world.behaviours["b"] = World::silent();
    Balancer lb(world);
    lb.pool.view()->find("c")->set_healthy(false);
    std::vector<test::Running<MoveResult>> all;
    for (std::size_t i = 0; i <= limits::session_moves_max; ++i) {
      const std::string id = "s-" + std::to_string(i);
      lb.open(id);
      all.push_back(lb.begin(lb.query(id)));
    }
    lb.settle();
    CHECK(lb.mover->moving() == limits::session_moves_max);
    CHECK(world.count("initialize") == limits::session_moves_max);
    only_b(world);
    lb.settle();
    lb.pass(32);
    for (auto& running : all) {
      REQUIRE(running.done());
      CHECK(running.result().outcome == Outcome::moved);
    }
  }

  TEST_CASE("threads that claim the same session: one of them gets it") {
    Balancer* none = nullptr;
    World world;
    Balancer lb(world, nullptr, none);
    lb.open("s-1");
    std::atomic<int> started{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        if (lb.directory.begin_move("s-1", 1, 0) == MoveStart::started) ++started;
      });
    }
    for (std::thread& thread : threads)
      thread.join();
    CHECK(started == 1);
  }
}
