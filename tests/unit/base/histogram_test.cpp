#include "mcplb/base/histogram.hpp"

#include <doctest/doctest.h>

namespace mcplb {
namespace {

constexpr std::array<std::uint64_t, 3> bounds{100, 1'000, 10'000};
using Times = Histogram<bounds, OwnCounter>;

}  // namespace

TEST_SUITE("base/histogram") {
  TEST_CASE("a duration is within the bound that it equals") {
    Times times;
    for (const std::int64_t us : {-5, 0, 100, 101, 1'000, 10'001}) times.observe(us);
    const Times::Counts seen = times.counts();
    CHECK(seen.in_bucket[0] == 3);
    CHECK(seen.in_bucket[1] == 2);
    CHECK(seen.in_bucket[2] == 0);
    CHECK(seen.in_bucket[3] == 1);
    CHECK(seen.count() == 6);
    CHECK(seen.sum_us == 100 + 101 + 1'000 + 10'001);
  }

  TEST_CASE("counts add up, and tell what came since") {
    Times times;
    times.observe(50);
    const Times::Counts before = times.counts();
    times.observe(50);
    times.observe(5'000);
    const Times::Counts since = times.counts().since(before);
    CHECK(since.count() == 2);
    CHECK(since.in_bucket[2] == 1);
    CHECK(since.sum_us == 5'050);
    Times::Counts sum = before;
    sum += since;
    CHECK(sum.count() == 3);
  }

  TEST_CASE("counts that have shrunk began anew") {
    Times one;
    one.observe(50);
    one.observe(50);
    Times other;
    other.observe(50);
    CHECK(other.counts().since(one.counts()).count() == 1);
  }

  TEST_CASE("a quantile is spread over its bucket, and bounded by the last one") {
    Times times;
    CHECK_FALSE(quantile_us(times.counts(), bounds, 0.5).has_value());
    for (int i = 0; i < 10; ++i) times.observe(500);
    CHECK(*quantile_us(times.counts(), bounds, 0.5) == doctest::Approx(550));
    CHECK(*quantile_us(times.counts(), bounds, 1.0) == doctest::Approx(1'000));
    for (int i = 0; i < 10; ++i) times.observe(50'000);
    CHECK(*quantile_us(times.counts(), bounds, 0.99) == doctest::Approx(10'000));
    CHECK(*quantile_us(times.counts(), bounds, 0.25) == doctest::Approx(550));
  }
}

}  // namespace mcplb
