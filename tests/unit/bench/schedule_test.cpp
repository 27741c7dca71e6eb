#include "load/schedule.hpp"

#include <cmath>

#include <doctest/doctest.h>

using mcplb::bench::Random;
using mcplb::bench::Schedule;

namespace {

constexpr std::int64_t begin_us = 5'000'000;

int arrivals_within(Schedule& schedule, std::int64_t us) {
  int count = 0;
  for (; schedule.next_us() < begin_us + us; schedule.take()) ++count;
  return count;
}

}  // namespace

TEST_SUITE("bench/schedule") {
  TEST_CASE("even arrivals keep their rate, also when a gap is no whole microsecond") {
    Schedule schedule({.rate = 3'000, .poisson = false}, begin_us);
    CHECK(schedule.next_us() == begin_us);
    CHECK(std::abs(arrivals_within(schedule, 10'000'000) - 30'000) <= 1);
  }

  TEST_CASE("two threads that share a rate take turns") {
    Schedule first({.rate = 500, .poisson = false, .seed = 1, .offset = 0}, begin_us);
    Schedule second({.rate = 500, .poisson = false, .seed = 2, .offset = 0.5}, begin_us);
    for (int i = 0; i < 100; ++i) {
      CHECK(second.next_us() - first.next_us() == 1'000);
      first.take();
      second.take();
    }
  }

  TEST_CASE("Poisson arrivals have the rate and the spread that the name promises") {
    Schedule schedule({.rate = 1'000, .poisson = true, .seed = 7}, begin_us);
    const int count = arrivals_within(schedule, 100'000'000);
    CHECK(std::abs(count - 100'000) < 1'500);
    // Of the gaps, one in e is longer than their mean.
    int long_gaps = 0;
    for (int i = 0; i < 10'000; ++i) {
      const std::int64_t before = schedule.next_us();
      schedule.take();
      if (schedule.next_us() - before > 1'000) ++long_gaps;
    }
    CHECK(std::abs(long_gaps - 3'679) < 250);
  }

  TEST_CASE("the same seed gives the same arrivals") {
    Schedule one({.rate = 1'000, .poisson = true, .seed = 7}, begin_us);
    Schedule other({.rate = 1'000, .poisson = true, .seed = 7}, begin_us);
    Schedule third({.rate = 1'000, .poisson = true, .seed = 8}, begin_us);
    bool differs = false;
    for (int i = 0; i < 100; ++i) {
      CHECK(one.next_us() == other.next_us());
      differs = differs || one.next_us() != third.next_us();
      one.take();
      other.take();
      third.take();
    }
    CHECK(differs);
  }

  TEST_CASE("a fraction is never zero, whose logarithm does not exist") {
    Random random(1);
    for (int i = 0; i < 100'000; ++i) {
      const double fraction = random.fraction();
      REQUIRE(fraction > 0);
      REQUIRE(fraction <= 1);
    }
  }
}
