#include "mcplb/async/task.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/fake_clock.hpp"
#include "support/run_task.hpp"

using namespace mcplb;

namespace {

// Counts how many of its kind live: whatever a cancelled flow held must be gone.
struct Alive {
  explicit Alive(int& alive) : count(&alive) { ++*count; }
  Alive(Alive&& other) noexcept : count(other.count) { ++*count; }
  Alive& operator=(Alive&&) = delete;
  ~Alive() { --*count; }
  int* count;
};

Task<int> value(int result) {
  co_return result;
}

Task<void> set(bool& ran) {
  ran = true;
  co_return;
}

Task<std::unique_ptr<int>> owned_value() {
  co_return std::make_unique<int>(7);
}

Task<int> later(test::FakeClock& clock, int result) {
  co_await clock.timers().sleep(clock.in(milliseconds(100)));
  co_return result;
}

Task<int> sum(test::FakeClock& clock) {
  auto one = co_await later(clock, 1);
  auto two = co_await value(2);
  auto three = co_await later(clock, 3);
  co_return one + two + three;
}

Task<long> sum_of_many(int count) {
  long total = 0;
  for (int i = 0; i < count; ++i) {
    auto one = co_await value(1);
    total += one;
  }
  co_return total;
}

Task<int> nested(test::FakeClock& clock, int depth) {
  if (depth == 0) {
    auto end = co_await later(clock, 0);
    co_return end;
  }
  auto below = co_await nested(clock, depth - 1);
  co_return below + 1;
}

// Waits five times, on three levels, and holds something at each.
Task<int> step(test::FakeClock& clock, Alive held) {
  const Alive kept(std::move(held));
  auto waited = co_await later(clock, 1);
  co_return waited;
}
Task<int> two_steps(test::FakeClock& clock, int& alive) {
  const Alive held(alive);
  auto one = co_await step(clock, Alive(alive));
  const Alive between(alive);
  auto two = co_await step(clock, Alive(alive));
  co_return one + two;
}
Task<int> all_steps(test::FakeClock& clock, int& alive) {
  const Alive held(alive);
  auto first = co_await two_steps(clock, alive);
  const std::string kept(100, 'x');
  auto second = co_await two_steps(clock, alive);
  auto last = co_await later(clock, 1);
  co_return first + second + last;
}

}  // namespace

TEST_SUITE("async/task") {
  TEST_CASE("does nothing before it is started") {
    bool ran = false;
    {
      const Task<void> task = set(ran);
      CHECK_FALSE(task.done());
    }
    CHECK_FALSE(ran);
    CHECK(test::run(set(ran)).done());
    CHECK(ran);
  }

  TEST_CASE("returns values, also ones that can only be moved") {
    CHECK(test::run(value(3)).result() == 3);
    CHECK(*test::run(owned_value()).result() == 7);
  }

  TEST_CASE("an empty task is done") {
    const Task<int> task;
    CHECK(task.done());
  }

  TEST_CASE("a parent goes on when its children have ended, at once or later") {
    test::FakeClock clock;
    auto running = test::run(sum(clock));
    CHECK_FALSE(running.done());
    clock.advance(milliseconds(120));
    CHECK_FALSE(running.done());
    clock.advance(milliseconds(120));
    REQUIRE(running.done());
    CHECK(running.result() == 6);
  }

  TEST_CASE("a loop over tasks that end at once does not grow the stack") {
    CHECK(test::run(sum_of_many(1'000'000)).result() == 1'000'000);
  }

  TEST_CASE("a result passes up through many waiting parents") {
    test::FakeClock clock;
    auto running = test::run(nested(clock, 1000));
    clock.advance(milliseconds(120));
    REQUIRE(running.done());
    CHECK(running.result() == 1000);
  }

  TEST_CASE("cancelled at any of its waits, a flow releases all that it holds") {
    constexpr int waits = 5;
    for (int waits_done = 0; waits_done <= waits; ++waits_done) {
      CAPTURE(waits_done);
      test::FakeClock clock;
      int alive = 0;
      {
        auto running = test::run(all_steps(clock, alive));
        for (int i = 0; i < waits_done; ++i)
          clock.advance(milliseconds(120));
        CHECK(running.done() == (waits_done == waits));
        CHECK((alive > 0) == !running.done());
        running.cancel();
        CHECK(alive == 0);
      }
      // The timer that it waited for went with it.
      clock.advance(milliseconds(1000));
    }
  }

  TEST_CASE("a task that is moved into another cancels that one") {
    test::FakeClock clock;
    int alive = 0;
    Task<int> first = all_steps(clock, alive);
    first.start([](void*) {}, nullptr);
    CHECK(alive > 0);
    first = value(1);
    CHECK(alive == 0);
    CHECK_FALSE(first.done());
  }
}
