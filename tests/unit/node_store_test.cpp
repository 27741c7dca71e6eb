#include "node_store.hpp"

#include <doctest/doctest.h>

#include "support/fake_store.hpp"

namespace mcplb {
namespace {

using redis::array;
using redis::bulk;

cluster::Node node() {
  cluster::Node made;
  made.id = "a";
  made.url = "http://h:1";
  made.pools = {"p", "q"};
  made.weight = 3;
  return made;
}

struct Fixture {
  redis::FakeStore server;
  redis::Client client;
  RedisNodeStore store;

  Fixture()
      : client(server.clock.timers(), server.turns, server, redis::settings_for("redis://h")),
        store(client, "t") {
    client.start([] {});
    server.accept();
  }
  // The script's call; its text was asked to be kept before.
  std::string heard() {
    if (server.heard().starts_with("SCRIPT LOAD")) server.say(bulk("hash"));
    return server.heard();
  }
  test::Running<Result<bool>> save(bool registered) {
    cluster::NodeStore::Heard heard;
    heard.registered = registered;
    heard.age = milliseconds(20);
    return test::run(store.save(node(), heard, milliseconds(45'000)));
  }
};

TEST_SUITE("node_store") {
  TEST_CASE("a node is written whole, with how long it is kept") {
    Fixture fixture;
    auto saving = fixture.save(true);
    const std::string heard = fixture.heard();
    CHECK(heard.find("EVALSHA hash 2 t:node:a t:nodes a registered 45000  http://h:1 p,q 3 20") !=
          std::string::npos);
    fixture.server.say(array({"done"}));
    REQUIRE(saving.done());
    REQUIRE(saving.result());
    CHECK(*saving.result());
  }

  TEST_CASE("a heartbeat of a node that was removed is told so") {
    Fixture fixture;
    auto saving = fixture.save(false);
    fixture.heard();
    fixture.server.say(array({"removed"}));
    REQUIRE(saving.done());
    REQUIRE(saving.result());
    CHECK_FALSE(*saving.result());
  }

  TEST_CASE("nodes are read with their age, removed ones as such") {
    Fixture fixture;
    auto loading = test::run(fixture.store.load());
    fixture.heard();
    fixture.server.say(array({"a", "name", "http://h:1", "p,q", "3", "", "1500",  //
                              "b", "", "", "", "", "1", "20"}));
    REQUIRE(loading.done());
    REQUIRE(loading.result());
    const auto& nodes = *loading.result();
    REQUIRE(nodes.size() == 2);
    cluster::Node expected = node();
    expected.name = "name";
    CHECK(nodes[0].node == expected);
    CHECK(nodes[0].age == milliseconds(1500));
    CHECK_FALSE(nodes[0].removed);
    CHECK(nodes[1].node.id == "b");
    CHECK(nodes[1].removed);
  }

  TEST_CASE("an answer that makes no sense is an error") {
    Fixture fixture;
    auto loading = test::run(fixture.store.load());
    fixture.heard();
    fixture.server.say(array({"a", "b"}));
    REQUIRE(loading.done());
    CHECK_FALSE(loading.result());
    auto saving = fixture.save(false);
    fixture.heard();
    fixture.server.say("-ERR no\r\n");
    REQUIRE(saving.done());
    CHECK_FALSE(saving.result());
  }
}

}  // namespace
}  // namespace mcplb
