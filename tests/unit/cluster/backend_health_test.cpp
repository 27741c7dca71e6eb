#include "mcplb/cluster/backend_health.hpp"

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

std::uint32_t tenths_at(Warmth& warmth, TimePoint now) {
  warmth.refresh(now);
  return warmth.tenths();
}

}  // namespace

TEST_SUITE("cluster/backend_health") {
  TEST_CASE("is warm unless it began to warm up, and at once without a length") {
    Warmth warmth;
    CHECK(tenths_at(warmth, 0) == 10);
    warmth.begin(5000, milliseconds(0));
    CHECK(tenths_at(warmth, 5000) == 10);
  }

  TEST_CASE("grows evenly from a tenth to full over its length") {
    Warmth warmth;
    warmth.begin(1000, milliseconds(9000));
    CHECK(warmth.tenths() == 1);
    CHECK(tenths_at(warmth, 1000) == 1);
    CHECK(tenths_at(warmth, 1999) == 1);
    CHECK(tenths_at(warmth, 2000) == 2);
    CHECK(tenths_at(warmth, 5500) == 5);
    CHECK(tenths_at(warmth, 9999) == 9);
    CHECK(tenths_at(warmth, 10'000) == 10);
    CHECK(tenths_at(warmth, 1'000'000) == 10);
  }

  TEST_CASE("a start in the future waits at a tenth") {
    Warmth warmth;
    warmth.begin(5000, milliseconds(1000));
    CHECK(tenths_at(warmth, 100) == 1);
    CHECK(tenths_at(warmth, 5000) == 1);
    CHECK(tenths_at(warmth, 6000) == 10);
  }

  TEST_CASE("starting again goes back to a tenth") {
    Warmth warmth;
    warmth.begin(0, milliseconds(1000));
    CHECK(tenths_at(warmth, 900) == 9);
    warmth.begin(900, milliseconds(1000));
    CHECK(tenths_at(warmth, 900) == 1);
    CHECK(tenths_at(warmth, 1900) == 10);
  }

  TEST_CASE("keeps the last check, the last turns, and counts checks by result") {
    BackendHealth health;
    CHECK(health.record().checked_at == 0);
    health.note_check(true, "status 200", 10);
    health.note_check(false, "status 503", 20);
    health.note_turn(false, 20);
    health.note_check(true, "status 200", 30);
    health.note_turn(true, 30);
    health.note_check(false, std::string(10'000, 'x'), 40);
    const HealthRecord record = health.record();
    CHECK(record.checked_at == 40);
    CHECK_FALSE(record.check_good);
    CHECK(record.check_text.size() == limits::check_text_bytes_max);
    CHECK(record.down_since == 20);
    CHECK(record.up_since == 30);
    CHECK(health.checks_good.value() == 2);
    CHECK(health.checks_bad.value() == 2);
  }
}
