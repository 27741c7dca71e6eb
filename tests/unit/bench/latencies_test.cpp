#include "load/latencies.hpp"

#include <doctest/doctest.h>

using mcplb::bench::Latencies;

TEST_SUITE("bench/latencies") {
  TEST_CASE("no values have no quantiles") {
    const Latencies none;
    CHECK(none.quantile(0.99) == 0);
    CHECK(none.count() == 0);
    CHECK(none.mean() == 0);
  }

  TEST_CASE("small values are exact") {
    Latencies latencies;
    for (int us = 1; us <= 100; ++us) latencies.add(us);
    CHECK(latencies.quantile(0.5) == 50);
    CHECK(latencies.quantile(0.99) == 99);
    CHECK(latencies.quantile(1) == 100);
    CHECK(latencies.mean() == doctest::Approx(50.5));
  }

  TEST_CASE("a quantile is never below the value, and above it by less than a hundredth") {
    for (std::int64_t us = 1; us < 1'000'000'000; us = us * 3 + 1) {
      Latencies latencies;
      latencies.add(us);
      latencies.add(2'000'000'000);
      const std::uint64_t median = latencies.quantile(0.5);
      CHECK(median >= static_cast<std::uint64_t>(us));
      CHECK(static_cast<double>(median) <= static_cast<double>(us) * 1.01);
    }
  }

  TEST_CASE("no quantile exceeds the largest value") {
    Latencies latencies;
    latencies.add(1'000'003);
    CHECK(latencies.quantile(0.999) == 1'000'003);
    CHECK(latencies.max() == 1'000'003);
  }

  TEST_CASE("a negative duration counts as none") {
    Latencies latencies;
    latencies.add(-5);
    CHECK(latencies.count() == 1);
    CHECK(latencies.max() == 0);
  }

  TEST_CASE("what two threads measured adds up") {
    Latencies all;
    Latencies fast;
    Latencies slow;
    for (int i = 0; i < 99; ++i) fast.add(10);
    slow.add(50'000);
    all.merge(fast);
    all.merge(slow);
    CHECK(all.count() == 100);
    CHECK(all.quantile(0.99) == 10);
    CHECK(all.quantile(0.999) == 50'000);
  }
}
