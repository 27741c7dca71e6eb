#include "mcplb/session/tombstones.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::session {

TEST_SUITE("session/tombstones") {
  TEST_CASE("a session stays dead for its lifetime and no longer") {
    Tombstones stones(milliseconds(100));
    stones.add("a", 1000);
    CHECK(stones.contains("a", 1000));
    CHECK(stones.contains("a", 1099));
    CHECK_FALSE(stones.contains("b", 1099));
    CHECK_FALSE(stones.contains("a", 1100));
  }

  TEST_CASE("adding one again is one") {
    Tombstones stones(milliseconds(100));
    stones.add("a", 0);
    stones.add("a", 50);
    CHECK(stones.contains("a", 99));
    CHECK_FALSE(stones.contains("a", 100));
    stones.add("a", 100);
    CHECK(stones.contains("a", 199));
  }

  TEST_CASE("beyond the bound the oldest goes, and that is counted") {
    Tombstones stones(milliseconds(1'000'000));
    const std::uint64_t before = limit_hits(Limit::tombstones);
    for (std::size_t i = 0; i <= limits::tombstones_max; ++i)
      stones.add(std::to_string(i), static_cast<TimePoint>(i));
    CHECK_FALSE(stones.contains("0", 0));
    CHECK(stones.contains("1", 0));
    CHECK(stones.contains(std::to_string(limits::tombstones_max), 0));
    CHECK(limit_hits(Limit::tombstones) == before + 1);
  }
}

}  // namespace mcplb::session
