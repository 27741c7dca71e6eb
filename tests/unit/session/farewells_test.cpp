#include "mcplb/session/farewells.hpp"

#include <deque>
#include <memory>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/backends.hpp"
#include "support/fake_clock.hpp"
#include "support/manual_defer_queue.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::session;

namespace {

const Place place{"/mcp", "mcp.example", "2025-06-18"};

struct Saying {
  // The far end of a connection that was opened to a backend.
  struct Door {
    std::string backend;
    std::unique_ptr<test::Pipe> pipe;
    std::unique_ptr<cluster::ConnectionPool> home;
  };

  Task<Result<cluster::Lease>> connect(cluster::Backend& backend) {
    if (refusing.count(backend.name()) > 0) {
      ++refused;
      co_return Error{Error::Kind::refused, Error::Side::backend, 0, "refused"};
    }
    Door& door = doors.emplace_back();
    door.backend = backend.name();
    door.pipe = std::make_unique<test::Pipe>(clock.timers(), buffers);
    door.home = std::make_unique<cluster::ConnectionPool>(clock.timers(), backend, keepalive);
    co_return cluster::Lease(
        *door.home, std::make_unique<cluster::Connection>(std::move(door.pipe->near), http));
  }
  void say(std::size_t backend, const std::string& id, const Place& where = place) {
    farewells.say(backends[backend], id, where);
    pump();
  }
  void pump() {
    bool moved = true;
    while (moved) {
      moved = !turns.empty();
      turns.run();
      for (std::size_t i = 0; i < doors.size(); ++i)
        moved = doors[i].pipe->pump_once() || moved;
    }
  }
  void answer(std::size_t door, const std::string& status) {
    doors.at(door).pipe->far->post("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n");
    pump();
  }

  test::FakeClock clock;
  BufferPool buffers{limits::buffer_block_bytes};
  test::ManualDeferQueue turns;
  test::Backends backends{1, 1};
  const http::Settings http{};
  const cluster::KeepaliveSettings keepalive{};
  std::deque<Door> doors;
  std::set<std::string> refusing;
  int refused = 0;
  std::unique_ptr<Nursery> nursery = std::make_unique<Nursery>(turns);
  Farewells farewells{*nursery, clock.timers(), [this](cluster::Backend& backend, Deadline) {
                        return connect(backend);
                      }};
  const FarewellStats& stats = farewells.stats();

  ~Saying() { nursery.reset(); }
};

}  // namespace

TEST_SUITE("session/farewells") {
  TEST_CASE("the owner gets one DELETE without credentials, on a connection of its own") {
    Saying s;
    s.say(1, "s-1");
    REQUIRE(s.doors.size() == 1);
    CHECK(s.doors[0].backend == "b");
    CHECK(s.doors[0].pipe->far->take() ==
          "DELETE /mcp HTTP/1.1\r\nHost: mcp.example\r\nMcp-Session-Id: s-1\r\n"
          "MCP-Protocol-Version: 2025-06-18\r\nConnection: close\r\n\r\n");
    s.answer(0, "200 OK");
    CHECK(s.doors[0].pipe->far->peer_has_ended());
    CHECK(s.stats.deleted.value() == 1);
    CHECK(s.nursery->empty());
  }

  TEST_CASE("an owner that knows nothing of it, or deletes nothing, has done what it can") {
    for (const char* status :
         {"200 OK", "202 Accepted", "204 No Content", "404 Not Found", "405 Method Not Allowed"}) {
      Saying s;
      s.say(0, "s-1");
      s.answer(0, status);
      CHECK(s.stats.deleted.value() == 1);
    }
  }

  TEST_CASE("refusals and failures are counted and not tried again") {
    Saying s;
    const char* statuses[] = {"401 Unauthorized", "403 Forbidden", "500 Internal Server Error"};
    for (std::size_t i = 0; i < 3; ++i) {
      s.say(0, "s-1");
      s.answer(i, statuses[i]);
    }
    CHECK(s.stats.refused.value() == 2);
    CHECK(s.stats.failed.value() == 1);
    s.clock.advance(milliseconds(60'000));
    s.pump();
    CHECK(s.doors.size() == 3);
  }

  TEST_CASE("a revision that is not known is not told") {
    Saying s;
    s.say(0, "s-1", {"/mcp", "h", ""});
    CHECK(s.doors[0].pipe->far->take().find("MCP-Protocol-Version") == std::string::npos);
  }

  TEST_CASE("what cannot be a request is not sent") {
    Saying s;
    s.say(0, "s-1", {"", "h", ""});
    s.say(0, "s-1", {"mcp", "h", ""});
    s.say(0, "s-1", {"/mcp", "", ""});
    s.say(0, "s-1", {"/m\r\ncp", "h", ""});
    s.say(0, "s-1", {"/m cp", "h", ""});
    s.say(0, "s-1", {"/mcp", "h\r\nX: y", ""});
    s.say(0, "s-1", {"/mcp", "h", "2025\n"});
    s.say(0, "s\r\nX: y", place);
    s.say(0, "", place);
    CHECK(s.doors.empty());
    CHECK(s.stats.skipped.value() == 9);
  }

  TEST_CASE("an owner that is down is not tried") {
    Saying s;
    s.backends[0].set_healthy(false);
    s.say(0, "s-1");
    s.say(1, "s-2");
    REQUIRE(s.doors.size() == 1);
    CHECK(s.doors[0].backend == "b");
    CHECK(s.stats.skipped.value() == 1);
  }

  TEST_CASE("only so many are said at once, the others wait for their turn") {
    Saying s;
    for (std::size_t i = 0; i < limits::farewells_at_once + 3; ++i)
      s.say(0, "s-" + std::to_string(i));
    CHECK(s.doors.size() == limits::farewells_at_once);
    CHECK(s.farewells.waiting() == 3);
    s.answer(5, "200 OK");
    CHECK(s.doors.size() == limits::farewells_at_once + 1);
    CHECK(s.farewells.waiting() == 2);
  }

  TEST_CASE("an owner that is silent is left alone until all that waits is done") {
    Saying s;
    for (std::size_t i = 0; i < limits::farewells_at_once; ++i)
      s.say(0, "s-" + std::to_string(i));
    s.say(0, "waits");
    s.say(1, "other");
    s.clock.advance(limits::farewell + milliseconds(100));
    s.pump();
    CHECK(s.stats.failed.value() == limits::farewells_at_once);
    CHECK(s.stats.skipped.value() == 1);
    REQUIRE(s.doors.size() == limits::farewells_at_once + 1);
    CHECK(s.doors.back().backend == "b");
    s.answer(limits::farewells_at_once, "200 OK");
    CHECK(s.nursery->empty());
    s.say(0, "later");
    CHECK(s.doors.back().backend == "a");
  }

  TEST_CASE("an owner that refuses connections is tried once") {
    Saying s;
    s.say(1, "unanswered");
    s.refusing = {"a"};
    s.say(0, "s-1");
    s.say(0, "s-2");
    CHECK(s.refused == 1);
    CHECK(s.stats.failed.value() == 1);
    CHECK(s.stats.skipped.value() == 1);
  }

  TEST_CASE("more than the bound are not kept") {
    Saying s;
    const std::uint64_t hits = limit_hits(Limit::farewells);
    for (std::size_t i = 0; i < limits::farewells_max + limits::farewells_at_once + 2; ++i)
      s.farewells.say(s.backends[0], "s", place);
    CHECK(s.farewells.waiting() == limits::farewells_max);
    CHECK(limit_hits(Limit::farewells) == hits + 2);
    CHECK(s.stats.skipped.value() == 2);
  }
}
