#include "mcplb/net/loop.hpp"

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/run_task.hpp"

using namespace mcplb;

namespace {

struct Note final : Deferred {
  explicit Note(std::function<void()> then) : what_then(std::move(then)) {}
  void run_deferred() override { what_then(); }
  std::function<void()> what_then;
};

Task<TimePoint> slept(net::Loop& loop, milliseconds wait) {
  const TimePoint start = loop.now();
  co_await loop.timers().sleep(loop.timers().in(wait));
  co_return loop.now() - start;
}

}  // namespace

TEST_SUITE("net/loop") {
  TEST_CASE("runs messages of other threads on its own thread, in their order") {
    net::Loop loop(limits::buffer_block_bytes);
    std::string order;
    bool all_here = true;
    const auto here = std::this_thread::get_id();
    std::thread other([&] {
      for (char c = 'a'; c <= 'e'; ++c) {
        loop.post([&, c] {
          order += c;
          all_here = all_here && std::this_thread::get_id() == here;
        });
      }
      loop.stop();
    });
    loop.run();
    other.join();
    CHECK(order == "abcde");
    CHECK(all_here);
  }

  TEST_CASE("a message may post another, which runs later") {
    net::Loop loop(limits::buffer_block_bytes);
    std::string order;
    loop.post([&] {
      loop.post([&] {
        order += 'c';
        loop.stop();
      });
      order += 'a';
    });
    loop.post([&] { order += 'b'; });
    loop.run();
    CHECK(order == "abc");
  }

  TEST_CASE("messages that were not run are destroyed with the loop") {
    const auto held = std::make_shared<int>(1);
    {
      net::Loop loop(limits::buffer_block_bytes);
      loop.post([held] { CHECK(false); });
      CHECK(held.use_count() == 2);
    }
    CHECK(held.use_count() == 1);
  }

  TEST_CASE("runs what is deferred once, at the next turn, however often it was deferred") {
    net::Loop loop(limits::buffer_block_bytes);
    int runs = 0;
    Note note([&] {
      ++runs;
      loop.stop();
    });
    loop.post([&] {
      loop.defer(note);
      loop.defer(note);
      CHECK(runs == 0);
    });
    loop.run();
    CHECK(runs == 1);
  }

  TEST_CASE("what is deferred meanwhile has a turn of its own") {
    net::Loop loop(limits::buffer_block_bytes);
    int runs = 0;
    std::unique_ptr<Note> note;
    note = std::make_unique<Note>([&] {
      if (++runs < 3) {
        loop.defer(*note);
      } else {
        loop.stop();
      }
    });
    loop.defer(*note);
    loop.run();
    CHECK(runs == 3);
  }

  TEST_CASE("what dies first is not run") {
    net::Loop loop(limits::buffer_block_bytes);
    {
      Note note([] { CHECK(false); });
      loop.defer(note);
    }
    loop.post([&] { loop.stop(); });
    loop.run();
  }

  TEST_CASE("time passes while a flow sleeps, and not less than it asked for") {
    net::Loop loop(limits::buffer_block_bytes);
    CHECK(test::run_on(loop, slept(loop, milliseconds(30))) >= 30);
  }

  TEST_CASE("runs again after a stop") {
    net::Loop loop(limits::buffer_block_bytes);
    for (int i = 0; i < 3; ++i)
      CHECK(test::run_on(loop, slept(loop, milliseconds(1))) >= 1);
  }

  TEST_CASE("calls the handler for each delivery of a signal") {
    net::Loop loop(limits::buffer_block_bytes);
    int deliveries = 0;
    loop.on_signal(SIGUSR2, [&] {
      if (++deliveries == 2) {
        loop.stop();
      } else {
        std::raise(SIGUSR2);
      }
    });
    loop.post([] { std::raise(SIGUSR2); });
    loop.run();
    CHECK(deliveries == 2);
  }
}
