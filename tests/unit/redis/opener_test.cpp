#include "redis/opener.hpp"

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/fake_store.hpp"

namespace mcplb::redis {
namespace {

const std::string ready = "+PONG\r\n";
const std::string not_cluster = bulk("# Cluster\r\ncluster_enabled:0\r\n");

std::string role(std::string_view name) { return "*3\r\n" + bulk(name) + ":0\r\n*0\r\n"; }

struct Opening {
  explicit Opening(std::string_view url)
      : settings(settings_for(url)),
        opener(store.clock.timers(), store, settings) {
    begin();
  }

  void begin() { running.emplace(test::run(opener.open())); }
  // Checks what the newest connection has asked, and answers it.
  void expect(std::string_view asked, std::string_view answer) {
    CHECK(store.heard() == asked);
    store.say(answer);
  }
  bool opened() { return running->done() && static_cast<bool>(running->result()); }
  std::string failure() {
    if (!running->done()) return "still asks";
    const auto& result = running->result();
    return result ? "opened" : result.error().what;
  }
  Error::Kind kind() { return running->result().error().kind; }
  bool refused() { return failure() != "opened" && kind() == Error::Kind::config; }

  FakeStore store;
  Settings settings;
  Opener opener;
  std::optional<test::Running<Result<std::unique_ptr<net::Stream>>>> running;
};

}  // namespace

TEST_SUITE("redis/opener") {
  TEST_CASE("a server without anything special is asked whether it is ready and no cluster") {
    Opening o("redis://h:1");
    o.expect("PING; ", ready);
    o.expect("INFO cluster; ", not_cluster);
    CHECK(o.opened());
    CHECK(o.store.asked == std::vector<std::string>{"h:1"});
    CHECK(o.opener.server() == "h:1");
  }

  TEST_CASE("a password comes first, a database last") {
    Opening o("redis://:pw@h/3");
    o.expect("AUTH pw; ", "+OK\r\n");
    o.expect("PING; ", ready);
    o.expect("INFO cluster; ", not_cluster);
    o.expect("SELECT 3; ", "+OK\r\n");
    CHECK(o.opened());
  }

  TEST_CASE("a user is named with the password") {
    Opening o("redis://me:p%20w@h");
    CHECK(o.store.heard() == "AUTH me p w; ");
  }

  TEST_CASE("what an operator has to change is told apart from what may pass") {
    SUBCASE("a wrong password") {
      Opening o("redis://:pw@h");
      o.expect("AUTH pw; ", "-WRONGPASS invalid username-password pair\r\n");
      CHECK(o.failure() == "the store refuses user or password");
      CHECK(o.refused());
      CHECK(o.opener.error_code() == "WRONGPASS");
    }
    SUBCASE("no password where one is needed") {
      Opening o("redis://h");
      o.expect("PING; ", "-NOAUTH Authentication required.\r\n");
      CHECK(o.failure() == "the store wants a password");
      CHECK(o.refused());
    }
    SUBCASE("a database that is not there") {
      Opening o("redis://h/99");
      o.expect("PING; ", ready);
      o.expect("INFO cluster; ", not_cluster);
      o.expect("SELECT 99; ", "-ERR DB index is out of range\r\n");
      CHECK(o.refused());
    }
    SUBCASE("Redis Cluster") {
      Opening o("redis://h");
      o.expect("PING; ", ready);
      o.expect("INFO cluster; ", bulk("# Cluster\r\ncluster_enabled:1\r\n"));
      CHECK(o.failure().find("Redis Cluster is not supported") == 0);
      CHECK(o.refused());
    }
    SUBCASE("a server that still loads") {
      Opening o("redis://h");
      o.expect("PING; ", "-LOADING Redis is loading the dataset in memory\r\n");
      CHECK(o.failure() == "the store is not ready");
      CHECK_FALSE(o.refused());
    }
  }

  TEST_CASE("a user who may not ask for INFO connects all the same") {
    Opening o("redis://h");
    o.expect("PING; ", ready);
    o.expect("INFO cluster; ", "-NOPERM this user has no permissions\r\n");
    CHECK(o.opened());
    CHECK(o.opener.error_code() == "");
  }

  TEST_CASE("what a server quotes is not kept for the log") {
    Opening o("redis://:hunter2@h");
    o.expect("AUTH hunter2; ", "-hunter2 is unknown\r\n");
    CHECK(o.opener.error_code() == "?");
  }

  TEST_CASE("a server that does not answer is given up") {
    Opening o("redis://h");
    o.store.pass(1900);
    CHECK(o.failure() == "still asks");
    o.store.pass(200);
    CHECK(o.kind() == Error::Kind::timeout);
    CHECK(o.store.server().peer_has_ended());
  }

  TEST_CASE("a server that speaks something else is given up") {
    Opening http("redis://h");
    http.expect("PING; ", "HTTP/1.1 400 Bad Request\r\n");
    CHECK(http.kind() == Error::Kind::malformed);
    Opening eager("redis://h");
    eager.expect("PING; ", ready + ready);
    CHECK(eager.kind() == Error::Kind::malformed);
  }

  TEST_CASE("a server that hangs up is given up") {
    Opening o("redis://h");
    o.store.close();
    CHECK(o.kind() == Error::Kind::closed);
  }
}

TEST_SUITE("redis/sentinel") {
  constexpr const char* url = "redis+sentinel://:pw@s1,s2,s3/main/1";
  constexpr const char* question = "SENTINEL get-master-addr-by-name main; ";
  const std::string master = array({"10.0.0.1", "7000"});

  void log_in_to_master(Opening& o) {
    o.expect("AUTH pw; ", "+OK\r\n");
    o.expect("PING; ", ready);
    o.expect("INFO cluster; ", not_cluster);
    o.expect("ROLE; ", role("master"));
    o.expect("SELECT 1; ", "+OK\r\n");
  }

  TEST_CASE("a sentinel names the master, which has to say that it is one") {
    Opening o(url);
    o.expect(question, master);
    log_in_to_master(o);
    CHECK(o.opened());
    CHECK(o.store.asked == std::vector<std::string>{"s1:26379", "10.0.0.1:7000"});
    CHECK(o.opener.server() == "10.0.0.1:7000");
  }

  TEST_CASE("sentinels are asked in turn until one leads to a master") {
    Opening o(url);
    o.expect(question, "*-1\r\n");  // s1 does not know it
    o.expect(question, master);     // s2 has not noticed yet that it is a replica now
    o.expect("AUTH pw; ", "+OK\r\n");
    o.expect("PING; ", ready);
    o.expect("INFO cluster; ", not_cluster);
    o.expect("ROLE; ", role("slave"));
    o.expect(question, array({"10.0.0.2", "7000"}));
    log_in_to_master(o);
    CHECK(o.opened());
    CHECK(o.store.asked == std::vector<std::string>{"s1:26379", "s2:26379", "10.0.0.1:7000",
                                                    "s3:26379", "10.0.0.2:7000"});
  }

  TEST_CASE("the sentinel that knew the master is asked first the next time") {
    Opening o(url);
    o.store.close();
    o.expect(question, master);
    log_in_to_master(o);
    REQUIRE(o.opened());
    o.store.asked.clear();
    o.begin();
    CHECK(o.store.asked == std::vector<std::string>{"s2:26379"});
  }

  TEST_CASE("a sentinel with a password gets that of the servers") {
    Opening o(url);
    o.expect(question, "-NOAUTH Authentication required.\r\n");
    o.expect("AUTH pw; ", "+OK\r\n");
    o.expect(question, master);
    log_in_to_master(o);
    CHECK(o.opened());
  }

  TEST_CASE("when none leads to a master, the last reason is told") {
    Opening o(url);
    o.store.close();
    o.expect(question, "*-1\r\n");
    o.expect(question, array({"10.0.0.1", "0"}));
    CHECK(o.failure() == "the sentinel names no address");
    Opening refused("redis+sentinel://s/main");
    refused.expect(question, "*-1\r\n");
    CHECK(refused.failure() == "the sentinel knows no master of that name");
  }

  TEST_CASE("strange answers of a sentinel are no addresses") {
    for (const std::string& answer :
         {std::string("+OK\r\n"), std::string(":1\r\n"), array({"h"}), array({"h", "x"}),
          array({"h", "65536"}), std::string("*2\r\n:1\r\n:2\r\n"), std::string("-ERR x\r\n")}) {
      CAPTURE(answer);
      Opening o("redis+sentinel://s/main");
      o.expect(question, answer);
      REQUIRE(o.running->done());
      CHECK_FALSE(o.opened());
    }
  }
}

}  // namespace mcplb::redis
