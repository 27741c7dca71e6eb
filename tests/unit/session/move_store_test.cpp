// Balancers that share their sessions and move one of them.
#include <string>
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

// What another balancer has written when the session was opened.
void write(redis::PlayedRedis& redis, const std::string& id) {
  redis.hashes["x:session:p:" + id] = {{"owner", "a"},
                                       {"generation", "1"},
                                       {"created", "77"},
                                       {"path", "/mcp"},
                                       {"initialize", initialize_body},
                                       {"result_protocol", "2025-06-18"},
                                       {"capabilities", capabilities_text},
                                       {"set_level", R"({"level":"info"})"},
                                       {"subscribed:file:///a", "1"}};
}

}  // namespace

TEST_SUITE("session/move with a store") {
  TEST_CASE("what this balancer never saw comes out of the store, which hears of the move") {
    World world;
    only_b(world);
    redis::PlayedRedis redis;
    Balancer lb(world, &redis);
    write(redis, "s-1");
    lb.open("s-1", {});
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
    CHECK(world.heard() ==
          "b initialize; b notifications/initialized new-1; b logging/setLevel new-1; "
          "b resources/subscribe new-1; ");
    auto& hash = redis.hashes["x:session:p:s-1"];
    CHECK(hash["owner"] == "b");
    CHECK(hash["generation"] == "2");
    CHECK(hash["backend_session"] == "new-1");
    CHECK(redis.published == std::vector<std::string>{"moved p s-1"});
    CHECK(redis.locks.empty());
    for (const auto& [name, value] : hash)
      CHECK(value.find("Bearer") == std::string::npos);
  }

  TEST_CASE("a record that is missing is written whole") {
    World world;
    only_b(world);
    redis::PlayedRedis redis;
    Balancer lb(world, &redis);
    lb.open("s-1");
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
    auto& hash = redis.hashes["x:session:p:s-1"];
    CHECK(hash["generation"] == "2");
    CHECK(hash["path"] == "/mcp");
    CHECK(hash["initialize"] == initialize_body);
  }

  TEST_CASE("what another balancer has moved is adopted") {
    World world;
    only_b(world);
    redis::PlayedRedis redis;
    Balancer lb(world, &redis);
    write(redis, "s-1");
    auto& hash = redis.hashes["x:session:p:s-1"];
    hash["owner"] = "c";
    hash["generation"] = "4";
    hash["backend_session"] = "there";
    lb.open("s-1");
    CHECK(lb.move(lb.query("s-1")).outcome == Outcome::moved);
    CHECK(lb.owner("s-1") == "c 4 there");
    CHECK(world.heard().empty());
    CHECK(lb.events.value(Event::adopted) == 1);
    CHECK(redis.locks.empty());
  }

  TEST_CASE("two balancers end with one owner, opened once") {
    World world;
    world.behaviours["b"] = World::silent();
    world.behaviours["c"] = World::silent();
    redis::PlayedRedis redis;
    Balancer one(world, &redis);
    Balancer two(world, &redis);
    write(redis, "s-1");
    one.open("s-1");
    two.open("s-1");
    auto first = one.begin(one.query("s-1"));
    one.settle();
    auto second = two.begin(two.query("s-1"));
    two.settle();
    world.behaviours["b"] = world.good();
    world.behaviours["c"] = world.good();
    one.settle();
    two.pass(64);
    REQUIRE(first.done());
    REQUIRE(second.done());
    CHECK(first.result().outcome == Outcome::moved);
    CHECK(second.result().outcome == Outcome::moved);
    CHECK(one.owner("s-1") == two.owner("s-1"));
    CHECK(world.opened == 1);
    CHECK(two.events.value(Event::adopted) == 1);
  }

  TEST_CASE("who comes too late to write deletes what he opened and adopts the winner's") {
    World world;
    world.behaviours["b"] = World::silent();
    redis::PlayedRedis redis;
    Balancer lb(world, &redis);
    lb.pool.view()->find("c")->set_healthy(false);
    write(redis, "s-1");
    lb.open("s-1");
    auto running = lb.begin(lb.query("s-1"));
    lb.settle();
    auto& hash = redis.hashes["x:session:p:s-1"];
    hash["owner"] = "c";
    hash["generation"] = "2";
    hash["backend_session"] = "there";
    only_b(world);
    lb.settle();
    REQUIRE(running.done());
    CHECK(running.result().outcome == Outcome::moved);
    CHECK(lb.owner("s-1") == "c 2 there");
    CHECK(world.lines.back() == "b DELETE new-1");
  }

  TEST_CASE("a tombstone ends it, before the attempt and after") {
    for (const bool before : {true, false}) {
      World world;
      world.behaviours["b"] = World::silent();
      redis::PlayedRedis redis;
      Balancer lb(world, &redis);
      lb.pool.view()->find("c")->set_healthy(false);
      lb.open("s-1");
      if (before) redis.tombstones.insert("x:tombstone:p:s-1");
      auto running = lb.begin(lb.query("s-1"));
      lb.settle();
      redis.tombstones.insert("x:tombstone:p:s-1");
      only_b(world);
      lb.settle();
      REQUIRE(running.done());
      CHECK(running.result().outcome == Outcome::lost);
      CHECK(lb.owner("s-1").empty());
      CHECK(world.count("DELETE new-1") == (before ? 0 : 1));
    }
  }

  TEST_CASE("somebody else's lock that does not end keeps the session") {
    World world;
    only_b(world);
    redis::PlayedRedis redis;
    redis.locks["x:lock:move:p:s-1"] = "somebody";
    Balancer lb(world, &redis);
    write(redis, "s-1");
    lb.open("s-1");
    const auto bound = static_cast<int>(limits::session_move.count()) + 100;
    CHECK(lb.move(lb.query("s-1"), bound).outcome == Outcome::unavailable);
    CHECK(world.heard().empty());
    CHECK(redis.locks.count("x:lock:move:p:s-1") == 1);
    CHECK(lb.owner("s-1") == "a 1 ");
  }

  TEST_CASE("a store that is away stops nobody who knows how the session was opened") {
    World world;
    only_b(world);
    redis::PlayedRedis redis;
    Balancer lb(world, &redis);
    lb.open("s-1");
    lb.open("s-2", {});
    redis.away = true;
    CHECK(lb.move(lb.query("s-1"), 1000).outcome == Outcome::moved);
    CHECK(lb.move(lb.query("s-2"), 1000).outcome == Outcome::unavailable);
    CHECK(lb.owner("s-2") == "a 1 ");
  }
}
