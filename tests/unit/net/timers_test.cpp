#include "mcplb/net/timers.hpp"

#include <functional>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "support/fake_clock.hpp"
#include "support/run_task.hpp"

using namespace mcplb;

namespace {

constexpr milliseconds resolution{16};

struct Alarm final : net::Timer {
  explicit Alarm(test::FakeClock& told_by, std::function<void()> then = {})
      : clock(told_by),
        what_then(std::move(then)) {}
  void on_timer() override {
    fired_at.push_back(clock.now());
    if (what_then) what_then();
  }
  test::FakeClock& clock;
  std::function<void()> what_then;
  std::vector<TimePoint> fired_at;
};

Task<void> slept(test::FakeClock& clock, milliseconds wait) {
  co_await clock.timers().sleep(clock.in(wait));
}

}  // namespace

TEST_SUITE("net/timers") {
  TEST_CASE("fires once, never early and at most a tick late") {
    for (int wait = 0; wait < 200; ++wait) {
      CAPTURE(wait);
      test::FakeClock clock(1'000'003);
      Alarm alarm(clock);
      clock.timers().arm(alarm, clock.in(milliseconds(wait)));
      CHECK(alarm.armed());
      clock.advance(milliseconds(1000));
      REQUIRE(alarm.fired_at.size() == 1);
      CHECK(alarm.fired_at[0] >= 1'000'003 + wait);
      CHECK(alarm.fired_at[0] <= 1'000'003 + wait + resolution.count());
      CHECK_FALSE(alarm.armed());
    }
  }

  TEST_CASE("a deadline far beyond a turn of the wheel is kept as well") {
    test::FakeClock clock;
    const TimePoint start = clock.now();
    Alarm hour(clock);
    Alarm day(clock);
    clock.timers().arm(hour, clock.in(milliseconds(3'600'000)));
    clock.timers().arm(day, clock.in(milliseconds(86'400'000)));
    clock.advance(milliseconds(3'599'999));
    CHECK(hour.fired_at.empty());
    clock.advance(milliseconds(86'400'000));
    REQUIRE(hour.fired_at.size() == 1);
    CHECK(hour.fired_at[0] <= start + 3'600'000 + resolution.count());
    REQUIRE(day.fired_at.size() == 1);
    CHECK(day.fired_at[0] >= start + 86'400'000);
    CHECK(day.fired_at[0] <= start + 86'400'000 + resolution.count());
  }

  TEST_CASE("a deadline that has passed fires at the next advance and not inside arm()") {
    test::FakeClock clock;
    Alarm alarm(clock);
    clock.timers().arm(alarm, Deadline::at(clock.now() - 5000));
    CHECK(alarm.fired_at.empty());
    clock.advance(resolution);
    CHECK(alarm.fired_at.size() == 1);
  }

  TEST_CASE("never is never") {
    test::FakeClock clock;
    Alarm alarm(clock);
    clock.timers().arm(alarm, Deadline::never());
    CHECK_FALSE(alarm.armed());
    CHECK(clock.next_wake() == test::FakeClock::never);
  }

  TEST_CASE("arming again replaces the deadline, later or earlier") {
    test::FakeClock clock;
    const TimePoint start = clock.now();
    Alarm alarm(clock);
    clock.timers().arm(alarm, clock.in(milliseconds(100)));
    clock.timers().arm(alarm, clock.in(milliseconds(500)));
    clock.advance(milliseconds(400));
    CHECK(alarm.fired_at.empty());
    clock.timers().arm(alarm, clock.in(milliseconds(20)));
    clock.advance(milliseconds(1000));
    REQUIRE(alarm.fired_at.size() == 1);
    CHECK(alarm.fired_at[0] <= start + 420 + resolution.count());
  }

  TEST_CASE("a disarmed or destroyed timer does not fire") {
    test::FakeClock clock;
    Alarm alarm(clock);
    clock.timers().arm(alarm, clock.in(milliseconds(50)));
    alarm.disarm();
    auto gone = std::make_unique<Alarm>(clock);
    clock.timers().arm(*gone, clock.in(milliseconds(50)));
    gone.reset();
    clock.advance(milliseconds(1000));
    CHECK(alarm.fired_at.empty());
  }

  TEST_CASE("a timer may destroy another that is due in the same moment") {
    test::FakeClock clock;
    std::unique_ptr<Alarm> second;
    Alarm first(clock, [&] { second.reset(); });
    second = std::make_unique<Alarm>(clock);
    clock.timers().arm(first, clock.in(milliseconds(50)));
    clock.timers().arm(*second, clock.in(milliseconds(50)));
    clock.advance(milliseconds(100));
    CHECK(first.fired_at.size() == 1);
    CHECK(second == nullptr);
  }

  TEST_CASE("a timer may destroy itself") {
    test::FakeClock clock;
    std::unique_ptr<Alarm> alarm;
    bool fired = false;
    alarm = std::make_unique<Alarm>(clock, [&] {
      fired = true;
      // The function that runs belongs to the alarm.
      const auto last_owner = std::move(alarm);
    });
    clock.timers().arm(*alarm, clock.in(milliseconds(50)));
    clock.advance(milliseconds(100));
    CHECK(fired);
    CHECK(alarm == nullptr);
  }

  TEST_CASE("a timer that arms itself again with a passed deadline waits for the next tick") {
    test::FakeClock clock;
    int fired = 0;
    std::unique_ptr<Alarm> alarm;
    alarm = std::make_unique<Alarm>(clock, [&] {
      if (++fired < 4) clock.timers().arm(*alarm, Deadline::at(clock.now()));
    });
    const TimePoint start = clock.now();
    clock.timers().arm(*alarm, Deadline::at(start));
    clock.advance(milliseconds(1000));
    CHECK(fired == 4);
    CHECK(alarm->fired_at[3] >= start + 3 * resolution.count());
  }

  TEST_CASE("after a long standstill everything that is due fires at the next advance") {
    test::FakeClock clock;
    Alarm soon(clock);
    Alarm later(clock);
    Alarm not_yet(clock);
    clock.timers().arm(soon, clock.in(milliseconds(20)));
    clock.timers().arm(later, clock.in(milliseconds(40'000)));
    clock.timers().arm(not_yet, clock.in(milliseconds(90'000)));
    clock.jump(milliseconds(60'000));
    clock.advance(milliseconds(0));
    CHECK(soon.fired_at.size() == 1);
    CHECK(later.fired_at.size() == 1);
    CHECK(not_yet.fired_at.empty());
    clock.advance(milliseconds(31'000));
    CHECK(not_yet.fired_at.size() == 1);
  }

  TEST_CASE("sets no alarm while nothing is armed") {
    test::FakeClock clock;
    CHECK(clock.next_wake() == test::FakeClock::never);
    Alarm alarm(clock);
    clock.timers().arm(alarm, clock.in(milliseconds(20)));
    CHECK(clock.next_wake() != test::FakeClock::never);
    clock.advance(milliseconds(100));
    CHECK(clock.next_wake() == test::FakeClock::never);
  }

  TEST_CASE("any mix of arming, re-arming and standstills keeps every deadline") {
    std::mt19937 random(7);
    test::FakeClock clock;
    struct Expected {
      std::unique_ptr<Alarm> alarm;
      TimePoint deadline;
    };
    std::vector<Expected> all;
    const auto arm = [&](Expected& one) {
      one.deadline = clock.now() + static_cast<TimePoint>(random() % 40'000);
      clock.timers().arm(*one.alarm, Deadline::at(one.deadline));
    };
    for (int i = 0; i < 2000; ++i) {
      all.push_back({std::make_unique<Alarm>(clock), 0});
      arm(all.back());
      if (random() % 3 == 0) {
        Expected& other = all[random() % all.size()];
        if (other.alarm->armed()) arm(other);
      }
      clock.advance(milliseconds(random() % 50));
    }
    clock.advance(milliseconds(50'000));
    for (const Expected& one : all) {
      REQUIRE(one.alarm->fired_at.size() == 1);
      CHECK(one.alarm->fired_at[0] >= one.deadline);
      CHECK(one.alarm->fired_at[0] <= one.deadline + resolution.count());
    }
  }

  TEST_CASE("a flow sleeps until its deadline, and not at all when that has passed") {
    test::FakeClock clock;
    auto sleeping = test::run(slept(clock, milliseconds(100)));
    clock.advance(milliseconds(99));
    CHECK_FALSE(sleeping.done());
    clock.advance(milliseconds(20));
    CHECK(sleeping.done());
    CHECK(test::run(slept(clock, milliseconds(0))).done());
  }

  TEST_CASE("a flow that is cancelled while it sleeps leaves nothing behind") {
    test::FakeClock clock;
    { const auto sleeping = test::run(slept(clock, milliseconds(100))); }
    clock.advance(milliseconds(1000));
    CHECK(clock.next_wake() == test::FakeClock::never);
  }
}
