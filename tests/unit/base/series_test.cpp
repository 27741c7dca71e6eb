#include "mcplb/base/series.hpp"

#include <map>
#include <thread>

#include <doctest/doctest.h>

namespace mcplb {
namespace {

std::map<std::uint64_t, std::uint64_t> seen(const Series<OwnCounter>& series) {
  std::map<std::uint64_t, std::uint64_t> values;
  series.each([&](std::uint64_t key, const OwnCounter& count) { values[key] = count.value(); });
  return values;
}

}  // namespace

TEST_SUITE("base/series") {
  TEST_CASE("each key has a value of its own") {
    Series<OwnCounter> series(8);
    series.at(1).add();
    series.at(2).add(5);
    series.at(1).add();
    CHECK(seen(series) == std::map<std::uint64_t, std::uint64_t>{{1, 2}, {2, 5}});
  }

  TEST_CASE("what comes when it is full is counted together, and as a limit that was hit") {
    Series<OwnCounter> series(2);
    const std::uint64_t hits = limit_hits(Limit::metric_series);
    for (std::uint64_t key = 1; key <= 5; ++key) series.at(key).add();
    CHECK(seen(series) == std::map<std::uint64_t, std::uint64_t>{
                              {1, 1}, {2, 1}, {Series<OwnCounter>::others, 3}});
    CHECK(limit_hits(Limit::metric_series) == hits + 3);
  }

  TEST_CASE("stale keys make room when it is full, and not before") {
    Series<OwnCounter> series(3, [](std::uint64_t key, TimePoint) { return key < 3; });
    for (std::uint64_t key = 1; key <= 3; ++key) series.at(key).add();
    CHECK(seen(series).size() == 3);
    series.at(9).add();
    CHECK(seen(series) == std::map<std::uint64_t, std::uint64_t>{{3, 1}, {9, 1}});
    series.at(1).add();
    CHECK(seen(series).at(1) == 1);
  }

  TEST_CASE("it does not look for stale keys at each key that finds no room") {
    int looks = 0;
    Series<OwnCounter> series(3, [&looks](std::uint64_t, TimePoint) {
      ++looks;
      return false;
    });
    for (std::uint64_t key = 1; key <= 100; ++key) series.at(key).add();
    CHECK(looks <= 3 * 2);  // one look, and another one should a second have passed
    CHECK(seen(series).at(Series<OwnCounter>::others) == 97);
  }

  TEST_CASE("it is read while it is counted into") {
    Series<OwnCounter> series(1'000);
    std::thread counting([&] {
      for (std::uint64_t i = 0; i < 20'000; ++i) series.at(i % 500).add();
    });
    std::uint64_t before = 0;
    for (int i = 0; i < 50; ++i) {
      std::uint64_t sum = 0;
      series.each([&](std::uint64_t, const OwnCounter& count) { sum += count.value(); });
      CHECK(sum >= before);
      before = sum;
    }
    counting.join();
    std::uint64_t sum = 0;
    series.each([&](std::uint64_t, const OwnCounter& count) { sum += count.value(); });
    CHECK(sum == 20'000);
  }
}

}  // namespace mcplb
