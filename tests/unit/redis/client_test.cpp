#include "mcplb/redis/client.hpp"

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/fake_store.hpp"

namespace mcplb::redis {
namespace {

using Asking = test::Running<Result<Reply>>;

// A client whose connection is up unless a test says otherwise.
struct Connected {
  explicit Connected(bool accepted = true) {
    client.start([this] { ++times_connected; });
    if (accepted) store.accept();
  }

  Asking ask(std::initializer_list<std::string_view> words, int ms = 250) {
    return test::run(client.command(Command(words), store.clock.in(milliseconds(ms))));
  }
  // Asks and gets the words of a reply.
  std::string answer_to(Asking& asking) {
    if (!asking.done()) return "waits";
    const auto& reply = asking.result();
    return reply ? reply->text : to_string(reply.error().kind);
  }

  FakeStore store;
  int times_connected = 0;
  Client client{store.clock.timers(), store.turns, store, settings_for("redis://h")};
};

}  // namespace

TEST_SUITE("redis/client") {
  TEST_CASE("commands wait together and are answered in their order") {
    Connected c;
    Asking first = c.ask({"GET", "a"});
    Asking second = c.ask({"GET", "b"});
    Asking third = c.ask({"GET", "c"});
    CHECK(c.store.heard() == "GET a; GET b; GET c; ");
    c.store.say(bulk("1") + bulk("2"));
    CHECK(c.answer_to(first) == "1");
    CHECK(c.answer_to(second) == "2");
    CHECK(c.answer_to(third) == "waits");
    c.store.say(bulk("3"));
    CHECK(c.answer_to(third) == "3");
  }

  TEST_CASE("commands of one turn leave in one write") {
    Connected c;
    Asking first = c.ask({"GET", "a"});
    Asking second = c.ask({"GET", "b"});
    CHECK(c.store.server().take() == "");
    c.store.turns.run();
    c.store.pipes.back().pump_once();
    CHECK(readable(c.store.server().take()) == "GET a; GET b; ");
  }

  TEST_CASE("arguments and replies may be any bytes") {
    Connected c;
    const std::string bytes("a\0\r\n$-1\xff", 9);
    Asking asking = c.ask({"SET", bytes, ""});
    CHECK(c.store.heard() == "SET " + bytes + " ; ");
    c.store.say(bulk(bytes));
    CHECK(c.answer_to(asking) == bytes);
  }

  TEST_CASE("replies may come byte by byte") {
    Connected c;
    Asking nested = c.ask({"ZRANGE"});
    Asking text = c.ask({"GET"});
    c.store.turn();
    const std::string bytes = "*3\r\n:-7\r\n*2\r\n$-1\r\n+OK\r\n$3\r\na\r\n\r\n-ERR no\r\n";
    for (const char byte : bytes)
      c.store.say(std::string_view(&byte, 1));
    REQUIRE(nested.done());
    const Reply& reply = *nested.result();
    REQUIRE(reply.elements.size() == 3);
    CHECK(reply.elements[0].integer == -7);
    CHECK(reply.elements[1].elements[0].is_nil());
    CHECK(reply.elements[1].elements[1].text == "OK");
    CHECK(reply.elements[2].text == "a\r\n");
    REQUIRE(text.done());
    CHECK(text.result()->is_error());
    CHECK(text.result()->error_code() == "ERR");
  }

  TEST_CASE("a late reply is thrown away and the order is kept") {
    Connected c;
    Asking slow = c.ask({"GET", "slow"}, 50);
    Asking next = c.ask({"GET", "next"});
    c.store.pass(80);
    CHECK(c.answer_to(slow) == "timeout");
    c.store.say(bulk("late") + bulk("in time"));
    CHECK(c.answer_to(next) == "in time");
    CHECK(c.client.connected());
    CHECK(c.client.stats().timeouts.value() == 1);
  }

  TEST_CASE("destroyed waiting tasks disturb nobody") {
    Connected c;
    Asking first = c.ask({"GET", "a"});
    auto second = std::make_unique<Asking>(c.ask({"GET", "b"}));
    Asking third = c.ask({"GET", "c"});
    first.cancel();
    second.reset();
    CHECK(c.store.heard() == "GET a; GET b; GET c; ");
    c.store.say(bulk("1") + bulk("2") + bulk("3"));
    CHECK(c.answer_to(third) == "3");
  }

  TEST_CASE("tasks that wait may outlive the client") {
    auto c = std::make_unique<Connected>();
    auto asking = std::make_unique<Asking>(c->ask({"GET", "a"}));
    FakeStore other;
    auto client = std::make_unique<Client>(other.clock.timers(), other.turns, other,
                                           settings_for("redis://h"));
    client->start({});
    other.accept();
    Asking waiting = test::run(client->command(Command({"GET", "a"}), client->in_time()));
    client.reset();
    other.pass(1000);
    CHECK_FALSE(waiting.done());
    asking.reset();
  }

  TEST_CASE("the number of waiting commands is bounded, those that gave up included") {
    Connected c;
    const auto hits = limit_hits(Limit::redis_commands);
    std::vector<Asking> waiting;
    for (std::size_t i = 0; i < limits::redis_commands_max; ++i)
      waiting.push_back(c.ask({"PING"}));
    waiting.front().cancel();
    Asking over = c.ask({"PING"});
    CHECK(c.answer_to(over) == "overloaded");
    CHECK(limit_hits(Limit::redis_commands) == hits + 1);
    c.store.say("+PONG\r\n");
    Asking fits = c.ask({"PING"});
    CHECK(c.answer_to(fits) == "waits");
  }

  TEST_CASE("the bytes that wait to be written are bounded") {
    Connected c;
    const std::string large(limits::redis_queued_bytes_max, 'x');
    Asking over = c.ask({"SET", "k", large});
    CHECK(c.answer_to(over) == "overloaded");
    CHECK(c.client.connected());
  }

  TEST_CASE("while there is no connection commands fail at once") {
    Connected c(false);
    Asking before = c.ask({"PING"});
    CHECK(c.answer_to(before) == "unreachable");
    c.store.accept();
    CHECK(c.client.connected());
    c.store.close();
    CHECK_FALSE(c.client.connected());
    Asking after = c.ask({"PING"});
    CHECK(c.answer_to(after) == "unreachable");
  }

  TEST_CASE("who waits when the connection is lost is told, and may not send again yet") {
    Connected c;
    Asking first = c.ask({"GET", "a"});
    Asking second = c.ask({"GET", "b"});
    c.store.turn();
    c.store.say(bulk("1"));
    c.store.server().reset();
    c.store.turn();
    CHECK(c.answer_to(first) == "1");
    CHECK(c.answer_to(second) == "reset");
  }

  TEST_CASE("a lost connection comes back after a pause, and the owner is told") {
    Connected c;
    c.store.pass(5016);
    c.store.say("+PONG\r\n");  // it has lasted
    CHECK(c.times_connected == 1);
    c.store.close();
    CHECK(c.store.asked.size() == 1);
    c.store.pass(40);
    CHECK(c.store.asked.size() == 1);
    c.store.pass(90);
    CHECK(c.store.asked.size() == 2);
    c.store.accept();
    CHECK(c.times_connected == 2);
    Asking asking = c.ask({"GET", "a"});
    CHECK(c.store.heard() == "GET a; ");
    c.store.say(bulk("1"));
    CHECK(c.answer_to(asking) == "1");
    CHECK(c.client.stats().connects.value() == 2);
    CHECK(c.client.stats().losses.value() == 1);
  }

  TEST_CASE("attempts become rarer, down to one in five seconds") {
    Connected c(false);
    c.store.refuses = true;
    c.store.close();
    c.store.pass(10'000);
    const std::size_t at_first = c.store.asked.size();
    CHECK(at_first >= 6);
    CHECK(at_first <= 12);
    c.store.pass(50'000);
    CHECK(c.store.asked.size() - at_first >= 9);
    CHECK(c.store.asked.size() - at_first <= 21);
  }

  TEST_CASE("a connection that is lost at once each time is not opened at full speed") {
    Connected c(false);
    for (int i = 0; i < 600; ++i) {
      if (!c.store.server().peer_has_ended()) {
        c.store.accept();
        c.store.close();
      }
      c.store.pass(100);
    }
    CHECK(c.store.asked.size() >= 15);
    CHECK(c.store.asked.size() <= 35);
  }

  TEST_CASE("a connection that falls silent while commands wait is taken down") {
    Connected c;
    Asking asking = c.ask({"GET", "a"}, 10'000);
    c.store.pass(280);
    CHECK(c.client.connected());  // looked at a second time before it is given up
    c.store.pass(80);
    CHECK_FALSE(c.client.connected());
    CHECK(c.answer_to(asking) == "timeout");
    CHECK(c.store.server().peer_has_ended());
  }

  TEST_CASE("a connection that answers slowly but steadily is kept") {
    Connected c;
    std::vector<Asking> asked;
    for (int i = 0; i < 10; ++i)
      asked.push_back(c.ask({"GET"}, 10'000));
    for (Asking& each : asked) {
      c.store.pass(200);
      c.store.say(bulk("x"));
      CHECK(c.answer_to(each) == "x");
    }
    CHECK(c.client.connected());
  }

  TEST_CASE("an idle connection is asked for a sign of life, and taken down without one") {
    Connected c;
    c.store.pass(5016);
    CHECK(c.store.heard() == "PING; ");
    c.store.say("+PONG\r\n");
    c.store.pass(5016);
    CHECK(c.store.heard() == "PING; ");
    CHECK(c.client.connected());
    c.store.pass(350);
    CHECK_FALSE(c.client.connected());
  }

  TEST_CASE("a server that takes no bytes is taken down, too") {
    Connected c;
    c.store.near->hold_at_most(1000);
    Asking asking = c.ask({"SET", "k", std::string(100'000, 'x')}, 10'000);
    c.store.turn();
    CHECK(c.store.near->is_writing());
    c.store.pass(350);
    CHECK_FALSE(c.client.connected());
    CHECK(c.answer_to(asking) == "timeout");
  }

  TEST_CASE("bytes that are no replies end the connection") {
    for (const char* bytes : {"HTTP/1.1 400 Bad Request\r\n\r\n", "*2\r\n!\r\n", "$x\r\n"}) {
      CAPTURE(bytes);
      Connected c;
      Asking asking = c.ask({"GET", "a"});
      c.store.turn();
      c.store.say(bytes);
      CHECK(c.answer_to(asking) == "malformed");
      CHECK_FALSE(c.client.connected());
    }
  }

  TEST_CASE("a reply that nobody asked for ends the connection") {
    Connected c;
    c.store.say("+OK\r\n");
    CHECK_FALSE(c.client.connected());
  }

  TEST_CASE("a reply beyond the limit ends the connection, a claimed size allocates nothing") {
    Connected c;
    Asking asking = c.ask({"GET", "a"});
    c.store.turn();
    c.store.say("*2000000000\r\n$2000000000\r\n");
    CHECK(c.answer_to(asking) == "waits");
    c.store.say(std::string(limits::redis_reply_bytes_max, 'x'));
    CHECK(c.answer_to(asking) == "overloaded");
    CHECK_FALSE(c.client.connected());
  }

  TEST_CASE("READONLY is handed out and the master is looked for again") {
    Connected c;
    Asking first = c.ask({"SET", "a", "1"});
    Asking second = c.ask({"GET", "a"});
    c.store.turn();
    c.store.say("-READONLY You can't write against a read only replica.\r\n" + bulk("x"));
    CHECK(first.result()->error_code() == "READONLY");
    CHECK(c.answer_to(second) == "x");
    CHECK_FALSE(c.client.connected());
    c.store.pass(150);
    CHECK(c.store.asked.size() == 2);
  }

  TEST_CASE("MOVED means Redis Cluster: the connection is refused, and tried again slowly") {
    Connected c;
    Asking asking = c.ask({"GET", "a"});
    c.store.turn();
    c.store.say("-MOVED 3999 127.0.0.1:6381\r\n");
    CHECK(asking.result()->error_code() == "MOVED");
    CHECK_FALSE(c.client.connected());
    c.store.pass(2400);
    CHECK(c.store.asked.size() == 1);
    c.store.pass(2700);
    CHECK(c.store.asked.size() >= 2);
  }
}

TEST_SUITE("redis/script") {
  TEST_CASE("a script runs by its hash, which the server computes once") {
    Connected c;
    static const Script script("return 1");
    const auto run = [&] {
      return test::run(c.client.script(script, {{"k1", "k2"}, {"a"}}, c.client.in_time()));
    };
    auto first = run();
    CHECK(c.store.heard() == "SCRIPT LOAD return 1; ");
    c.store.say(bulk("abc"));
    CHECK(c.store.heard() == "EVALSHA abc 2 k1 k2 a; ");
    c.store.say(":1\r\n");
    CHECK(first.result()->integer == 1);
    auto second = run();
    CHECK(c.store.heard() == "EVALSHA abc 2 k1 k2 a; ");
  }

  TEST_CASE("a server that has forgotten the script gets its source") {
    Connected c;
    static const Script script("return 2");
    auto running = test::run(c.client.script(script, {{}, {"a"}}, c.client.in_time()));
    c.store.turn();
    c.store.say(bulk("abc"));
    c.store.server().take();
    c.store.say("-NOSCRIPT No matching script. Please use EVAL.\r\n");
    CHECK(c.store.heard() == "EVAL return 2 0 a; ");
    c.store.say(":2\r\n");
    CHECK(running.result()->integer == 2);
  }

  TEST_CASE("a server that loads no scripts gets the source each time") {
    Connected c;
    static const Script script("return 3");
    auto running = test::run(c.client.script(script, {}, c.client.in_time()));
    c.store.turn();
    c.store.say("-NOPERM no\r\n");
    c.store.server().take();
    c.store.say("-ERR the script failed\r\n");
    CHECK(running.result()->error_code() == "ERR");
  }
}

}  // namespace mcplb::redis
