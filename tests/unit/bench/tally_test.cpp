#include "load/tally.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace mcplb::bench;
using nlohmann::json;

namespace {

const Window window{1'000'000, 2'000'000};

Unit unit(std::size_t kind, std::int64_t started_us, std::int64_t ended_us) {
  Unit unit;
  unit.kind = kind;
  unit.started_us = started_us;
  unit.ended_us = ended_us;
  return unit;
}

}  // namespace

TEST_SUITE("bench/tally") {
  TEST_CASE("only what was to start within the window counts") {
    Tally tally;
    const std::size_t small = tally.kind("small");
    tally.add(window, unit(small, 999'999, 1'000'100));
    tally.add(window, unit(small, 1'000'000, 1'000'100));
    tally.add(window, unit(small, 1'999'999, 2'500'000));
    tally.add(window, unit(small, 2'000'000, 2'000'100));
    const json report = json::parse(to_json(tally, 1));
    CHECK(report["requests"] == 2);
    CHECK(report["latency_us"]["max"] == 500'001);
    // Two were answered within it.
    CHECK(report["completed"] == 2);
    CHECK(report["rate"] == 2.0);
  }

  TEST_CASE("a latency counts from the planned start, however late the request was sent") {
    Tally tally;
    const std::size_t small = tally.kind("small");
    tally.add(window, unit(small, 1'100'000, 1'900'000));
    CHECK(json::parse(to_json(tally, 1))["latency_us"]["p50"] == 800'000);
  }

  TEST_CASE("failures are named, have no latency, and show when they were") {
    Tally tally;
    const std::size_t small = tally.kind("small");
    Unit failed = unit(small, 1'000'000, 1'450'000);
    failed.failure = Failure::status;
    failed.status = 503;
    tally.add(window, failed);
    tally.add_unsent(3);
    const json report = json::parse(to_json(tally, 1));
    CHECK(report["failures"] == json{{"status 503", 1}, {"unsent", 3}});
    CHECK(report["ok"] == 0);
    CHECK(report["requests"] == 4);
    CHECK(report["latency_us"]["count"] == 0);
    CHECK(report["by_kind"]["small"]["failed"] == 1);
    CHECK(report["timeline"]["failed"] == json::array({0, 0, 0, 0, 1}));
  }

  TEST_CASE("a whole session of churn is no request of its own") {
    Tally tally;
    tally.add(window, unit(tally.kind("initialize"), 1'000'000, 1'000'010));
    tally.add(window, unit(tally.kind("churn", false), 1'000'000, 1'000'100));
    const json report = json::parse(to_json(tally, 1));
    CHECK(report["requests"] == 1);
    CHECK(report["completed"] == 1);
    CHECK(report["by_kind"]["churn"]["count"] == 1);
    CHECK(report["latency_us"]["max"] == 10);
  }

  TEST_CASE("threads that saw different things add up") {
    Tally one;
    Tally other;
    Unit answered = unit(one.kind("small"), 1'000'000, 1'000'010);
    answered.server = "a";
    one.add(window, answered);
    answered.kind = other.kind("ping");
    answered.kind = other.kind("small");
    answered.server = "b";
    other.add(window, answered);
    one.merge(other);
    const json report = json::parse(to_json(one, 1));
    CHECK(report["by_kind"]["small"]["count"] == 2);
    CHECK(report["servers"] == json{{"a", 1}, {"b", 1}});
  }
}
