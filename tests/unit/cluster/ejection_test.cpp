#include "mcplb/cluster/ejection.hpp"

#include <doctest/doctest.h>

#include "mcplb/cluster/pool.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

HealthSettings three_failures() {
  HealthSettings settings;
  settings.passive.failures = 3;
  settings.passive.eject_for = milliseconds(1000);
  return settings;
}

struct Ejecting {
  explicit Ejecting(std::size_t count, const HealthSettings& settings = three_failures())
      : backends(std::vector<std::uint32_t>(count, 1)) {
    view.settings.health = settings;
    view.backends = backends.all;
  }

  void report(std::size_t index, Served served, int times = 1) {
    for (int i = 0; i < times; ++i)
      ejector.report(backends[index], served, view, now);
  }
  void fail(std::size_t index, int times = 3) { report(index, Served::bad_gateway, times); }
  void succeed(std::size_t index) { report(index, Served::good); }
  bool out(std::size_t index) { return backends[index].ejected(now); }
  // How long it stays out from now on, to the millisecond.
  TimePoint remaining(std::size_t index) {
    TimePoint left = 0;
    while (backends[index].ejected(now + left))
      ++left;
    return left;
  }

  test::Backends backends;
  PoolView view;
  Ejector ejector;
  TimePoint now = 1'000'000;
};

}  // namespace

TEST_SUITE("cluster/ejection") {
  TEST_CASE("so many failures in a row eject, whatever their kinds") {
    Ejecting e(2);
    e.report(0, Served::bad_gateway);
    e.report(0, Served::connect_failed);
    CHECK_FALSE(e.out(0));
    e.report(0, Served::broke_before_head);
    CHECK(e.out(0));
    CHECK_FALSE(e.out(1));
    CHECK(e.remaining(0) == 1000);
  }

  TEST_CASE("a success between failures starts the count anew") {
    Ejecting e(2);
    e.fail(0, 2);
    e.succeed(0);
    e.fail(0, 2);
    CHECK_FALSE(e.out(0));
    e.fail(0, 1);
    CHECK(e.out(0));
  }

  TEST_CASE("no number of failures ejects when the setting is 0") {
    HealthSettings never = three_failures();
    never.passive.failures = 0;
    Ejecting e(2, never);
    e.fail(0, 1000);
    CHECK_FALSE(e.out(0));
    CHECK(e.backends[0].health().failures() == 0);
  }

  TEST_CASE("one good request brings it back at once") {
    Ejecting e(2);
    e.fail(0);
    e.now += 10;
    e.succeed(0);
    CHECK_FALSE(e.out(0));
    e.fail(0, 2);
    CHECK_FALSE(e.out(0));
  }

  TEST_CASE("a good check brings it back, unless it began before") {
    Ejecting e(2);
    const TimePoint before = e.now;
    e.now += 10;
    e.fail(0);
    e.now += 10;
    e.ejector.note_good_check(e.backends[0], before, e.view, e.now);
    CHECK(e.out(0));
    e.ejector.note_good_check(e.backends[0], e.now, e.view, e.now);
    CHECK_FALSE(e.out(0));
    CHECK(e.backends[0].health().failures() == 0);
  }

  TEST_CASE("a good check changes nothing for who is not out") {
    Ejecting e(2);
    e.fail(0, 2);
    e.ejector.note_good_check(e.backends[0], e.now, e.view, e.now);
    CHECK(e.backends[0].health().failures() == 2);
  }

  TEST_CASE("after its time the first failure ejects it again, for longer each time") {
    Ejecting e(2);
    for (const TimePoint length : {1000, 2000, 4000, 8000, 10'000, 10'000}) {
      CAPTURE(length);
      e.fail(0, length == 1000 ? 3 : 1);
      CHECK(e.remaining(0) == length);
      e.now += length;
      CHECK_FALSE(e.out(0));
    }
  }

  TEST_CASE("failures of one that is out do not count") {
    Ejecting e(2);
    e.fail(0, 50);
    CHECK(e.remaining(0) == 1000);
  }

  TEST_CASE("a success after its time ends the probation") {
    Ejecting e(2);
    e.fail(0);
    e.now += 1000;
    e.succeed(0);
    e.fail(0, 2);
    CHECK_FALSE(e.out(0));
  }

  TEST_CASE("the growth is forgotten by who stayed in for ten times as long") {
    Ejecting e(2);
    e.fail(0);
    e.now += 1000 + 10'000;
    e.succeed(0);
    e.fail(0);
    CHECK(e.remaining(0) == 2000);
    e.now += 2000 + 10'001;
    e.succeed(0);
    e.fail(0);
    CHECK(e.remaining(0) == 1000);
  }

  TEST_CASE("at most the given part of the pool is out at a time") {
    Ejecting e(5);  // 50 %: two of five
    for (std::size_t i = 0; i < 5; ++i)
      e.fail(i);
    CHECK(e.out(0));
    CHECK(e.out(1));
    CHECK_FALSE(e.out(2));
    e.succeed(0);
    e.fail(2, 1);
    CHECK(e.out(2));
    CHECK_FALSE(e.out(3));
  }

  TEST_CASE("the only backend is never ejected, one of two may be, and nobody at 0 %") {
    Ejecting one(1);
    one.fail(0, 10);
    CHECK_FALSE(one.out(0));
    HealthSettings few = three_failures();
    few.passive.max_ejected = 10;
    Ejecting two(2, few);
    two.fail(0);
    two.fail(1);
    CHECK(two.out(0));
    CHECK_FALSE(two.out(1));
    few.passive.max_ejected = 0;
    Ejecting none(4, few);
    none.fail(0, 10);
    CHECK_FALSE(none.out(0));
  }

  TEST_CASE("new settings hold for the next failure") {
    Ejecting e(2);
    e.fail(0, 2);
    HealthSettings lenient = three_failures();
    lenient.passive.failures = 4;
    lenient.passive.eject_for = milliseconds(70);
    e.view.settings.health = lenient;
    e.fail(0, 1);
    CHECK_FALSE(e.out(0));
    e.fail(0, 1);
    CHECK(e.remaining(0) == 70);
  }

  TEST_CASE("who comes back warms up, from its return or from the end of its time") {
    HealthSettings slow = three_failures();
    slow.slow_start = milliseconds(900);
    Ejecting e(4, slow);
    e.fail(0);
    e.now += 500;
    e.succeed(0);
    e.backends[0].health().warmth.refresh(e.now + 300);
    CHECK(e.backends[0].share() == 4);
    e.fail(1);
    e.backends[1].health().warmth.refresh(e.now + 999);
    CHECK(e.backends[1].share() == 1);
    e.backends[1].health().warmth.refresh(e.now + 1000 + 900);
    CHECK(e.backends[1].share() == 10);
  }
}
