#include "cluster/check_schedule.hpp"

#include <doctest/doctest.h>

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

int interval(int setting, CheckUrgency urgency, int rise = 2) {
  HealthSettings settings;
  settings.interval = milliseconds(setting);
  settings.rise = rise;
  return static_cast<int>(check_interval(settings, urgency).count());
}

constexpr CheckUrgency calm{};
constexpr CheckUrgency changing{true, false};
constexpr CheckUrgency all_down{false, true};

}  // namespace

TEST_SUITE("cluster/check_schedule") {
  TEST_CASE("nothing urgent: the interval") {
    CHECK(interval(5000, calm) == 5000);
    CHECK(interval(1, calm) == 1);
  }

  TEST_CASE("a state that is changing is looked at four times as often, a short interval is kept") {
    CHECK(interval(5000, changing) == 1250);
    CHECK(interval(800, changing) == 250);
    CHECK(interval(100, changing) == 100);
  }

  TEST_CASE(
      "with nobody usable, the checks that bring one back fit into a second") {
    for (int rise = 1; rise <= 16; ++rise) {
      CAPTURE(rise);
      CHECK(interval(60'000, all_down, rise) * rise * 11 / 10 < 1000);
    }
    CHECK(interval(60'000, {true, true}) == 400);
    CHECK(interval(100, all_down) == 100);
  }

  TEST_CASE("however many checks it takes, they keep a distance") {
    CHECK(interval(60'000, all_down, 100) == 50);
  }
}
