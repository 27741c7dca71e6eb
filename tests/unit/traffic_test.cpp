#include "traffic.hpp"

#include <doctest/doctest.h>

namespace mcplb {
namespace {

TrafficCounts counts_of(std::uint64_t requests, std::uint64_t errors = 0) {
  TrafficCounts counts;
  counts.requests = requests;
  counts.errors = errors;
  counts.durations.in_bucket[2] = requests;  // 500 µs to 1 ms
  return counts;
}

}  // namespace

TEST_SUITE("traffic") {
  TEST_CASE("rates are those of the last ten seconds") {
    TrafficTrack track;
    CHECK(track.view().requests_per_second == 0);
    for (int second = 0; second <= 30; ++second) {
      const std::uint64_t slow = 10 * static_cast<std::uint64_t>(std::min(second, 20));
      const std::uint64_t fast = 50 * static_cast<std::uint64_t>(std::max(second - 20, 0));
      track.sample(counts_of(slow + fast, fast / 50), 1'000 * second);
    }
    const admin::TrafficView view = track.view();
    CHECK(view.requests_per_second == doctest::Approx(50));
    CHECK(view.errors_per_second == doctest::Approx(1));
    CHECK(view.requests == 700);
    CHECK(view.errors == 10);
    REQUIRE(view.latency.has_value());
    CHECK(view.latency->p50_ms == doctest::Approx(0.75));
    CHECK_FALSE(view.overhead.has_value());
  }

  TEST_CASE("without requests there is no latency") {
    TrafficTrack track;
    for (int second = 0; second <= 12; ++second) track.sample(counts_of(7), 1'000 * second);
    CHECK_FALSE(track.view().latency.has_value());
    CHECK(track.view().requests == 7);
  }

  TEST_CASE("the history has a point for each five seconds, and an end") {
    TrafficTrack track;
    for (int second = 0; second <= 400; ++second)
      track.sample(counts_of(2 * static_cast<std::uint64_t>(second)), 1'000 * second);
    const admin::TrafficView view = track.view();
    CHECK(view.step_seconds == 5);
    CHECK(view.history.size() == 60);
    CHECK(view.history.back().requests_per_second == doctest::Approx(2));
  }

  TEST_CASE("what was counted before the first look is no traffic") {
    TrafficTrack track;
    for (int second = 0; second <= 6; ++second) track.sample(counts_of(1'000'000), 1'000 * second);
    REQUIRE(track.view().history.size() == 1);
    CHECK(track.view().history[0].requests_per_second == 0);
    CHECK(track.view().requests == 1'000'000);
  }

  TEST_CASE("pools and members are summed over workers; who is no member is left out") {
    proxy::WorkerMetrics one(nullptr);
    proxy::WorkerMetrics two(nullptr);
    proxy::RequestLabels labels;
    labels.pool = 1;
    labels.backend = BackendId(5);
    labels.status = 200;
    TrafficHistory history;
    history.sample({&one, &two}, {BackendId(5)}, 0);
    one.note_request(labels, {.total = 700, .overhead = 20}, false, &one.pools.at(1));
    two.note_request(labels, {.total = 700, .overhead = 20}, false, &two.pools.at(1));
    labels.backend = BackendId(6);
    labels.status = 500;
    two.note_request(labels, {.total = 700}, false, &two.pools.at(1));
    history.sample({&one, &two}, {BackendId(5)}, 1'000);
    CHECK(history.process().requests == 3);
    CHECK(history.process().errors == 1);
    CHECK(history.pool(1).requests == 3);
    CHECK(history.pool(0).requests == 0);
    CHECK(history.backend(BackendId(5)).requests == 2);
    CHECK(history.backend(BackendId(5)).overhead.has_value());
    CHECK(history.backend(BackendId(6)).requests == 0);
    history.sample({&one, &two}, {BackendId(6)}, 2'000);
    CHECK(history.backend(BackendId(5)).requests == 0);
    CHECK(history.backend(BackendId(6)).requests == 1);
  }
}

}  // namespace mcplb
