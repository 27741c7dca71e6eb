#include "mcplb/redis/subscriber.hpp"

#include <doctest/doctest.h>

#include "support/fake_store.hpp"

namespace mcplb::redis {
namespace {

struct Subscribed final : Subscriber::Listener {
  explicit Subscribed(bool confirmed = true) {
    subscriber.start("c", *this);
    store.accept();
    if (confirmed) confirm();
  }
  void confirm() { store.say("*3\r\n" + bulk("subscribe") + bulk("c") + ":1\r\n"); }
  void message(std::string_view payload) {
    store.say(array({"message", "c", std::string(payload)}));
  }
  void on_resubscribed() override { events += "subscribed "; }
  void on_lost() override { events += "lost "; }
  void on_message(std::string_view payload) override { events += std::string(payload) + " "; }

  FakeStore store;
  std::string events;
  Subscriber subscriber{store.clock.timers(), store.turns, store, settings_for("redis://h")};
};

}  // namespace

TEST_SUITE("redis/subscriber") {
  TEST_CASE("subscribes and hands out the messages") {
    Subscribed s(false);
    CHECK_FALSE(s.subscriber.subscribed());
    s.confirm();
    CHECK(s.subscriber.subscribed());
    s.message("a");
    s.message("b");
    CHECK(s.events == "subscribed a b ");
  }

  TEST_CASE("what comes in pieces or together is the same") {
    Subscribed s;
    const std::string both = array({"message", "c", "a"}) + array({"message", "c", "b"});
    s.store.say(both);
    for (const char byte : both)
      s.store.say(std::string_view(&byte, 1));
    CHECK(s.events == "subscribed a b a b ");
  }

  TEST_CASE("a lost connection is told, and so is the new subscription") {
    Subscribed s;
    s.store.close();
    CHECK(s.events == "subscribed lost ");
    CHECK_FALSE(s.subscriber.subscribed());
    s.store.pass(150);
    s.store.accept();
    CHECK(s.events == "subscribed lost ");
    s.confirm();
    CHECK(s.events == "subscribed lost subscribed ");
  }

  TEST_CASE("one that was lost before it was confirmed was never there") {
    Subscribed s(false);
    s.store.close();
    CHECK(s.events == "");
  }

  TEST_CASE("a quiet connection is asked for a sign of life") {
    Subscribed s;
    s.store.server().take();
    for (int i = 0; i < 3; ++i) {
      s.store.pass(5020);
      CHECK(s.store.heard() == "PING; ");
      s.store.say(array({"pong", ""}));
    }
    CHECK(s.events == "subscribed ");
    CHECK(s.store.asked.size() == 1);
  }

  TEST_CASE("a connection without a sign of life is dead") {
    Subscribed s;
    s.store.pass(5020);
    s.store.pass(1020);
    CHECK(s.events == "subscribed lost ");
    CHECK(s.store.server().peer_has_ended());
  }

  TEST_CASE("a message is a sign of life, too") {
    Subscribed s;
    s.store.pass(5020);
    s.message("a");
    s.store.pass(1020);
    CHECK(s.events == "subscribed a ");
  }

  TEST_CASE("a subscription that is never confirmed is given up") {
    Subscribed s(false);
    s.store.pass(1020);
    CHECK(s.store.server().peer_has_ended());
  }

  TEST_CASE("what does not belong to a channel ends the connection") {
    const std::string strange[] = {
        "+OK\r\n", ":1\r\n", "*0\r\n", array({"message", "other", "x"}), array({"message", "c"}),
        array({"subscribe", "c", "1"}), "-NOPERM no\r\n", "HTTP/1.1 400\r\n"};
    for (const std::string& bytes : strange) {
      CAPTURE(bytes);
      Subscribed s;
      s.store.say(bytes);
      CHECK(s.events == "subscribed lost ");
    }
    Subscribed early(false);
    early.message("x");
    CHECK(early.events == "");
    CHECK(early.store.server().peer_has_ended());
  }
}

}  // namespace mcplb::redis
