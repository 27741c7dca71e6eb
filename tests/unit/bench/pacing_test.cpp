#include "load/pacing.hpp"

#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"

using namespace mcplb;
using namespace mcplb::bench;

namespace {

constexpr std::int64_t ms = 1'000;
constexpr std::int64_t hour = 3'600'000 * ms;

// One connection that is free again at once. Everything is due here, so it never has to wait.
struct OneCaller {
  net::Loop loop{limits::buffer_block_bytes};
  Latencies late;
  Pacing pacing{loop, late};
  std::vector<std::int64_t> starts;
  bool ended = false;
  Nursery nursery{loop};

  static Task<void> take_all(OneCaller& self) {
    while (true) {
      auto start = co_await self.pacing.next();
      if (!start.go) break;
      self.starts.push_back(start.at_us);
    }
    self.ended = true;
  }
  void run(const Pace& pace) {
    pacing.begin(pace);
    nursery.spawn(take_all(*this));
  }
};

// An arrival each millisecond, from the past.
Pace evenly_since(std::int64_t start_us) {
  Pace pace;
  pace.start_us = start_us;
  pace.terms = Schedule::Terms{.rate = 1'000, .poisson = false};
  pace.window = {start_us, start_us + 50 * ms};
  pace.give_up_us = start_us + hour;
  return pace;
}

}  // namespace

TEST_SUITE("bench/pacing") {
  TEST_CASE("who comes late to an arrival of the open loop is given the time that was planned") {
    OneCaller caller;
    const std::int64_t start = monotonic_us() - 100 * ms;
    caller.run(evenly_since(start));
    CHECK(caller.ended);
    REQUIRE(caller.starts.size() == 50);
    for (std::int64_t i = 0; i < 50; ++i)
      CHECK(caller.starts[static_cast<std::size_t>(i)] == start + i * ms);
    CHECK(caller.late.count() == 50);
    CHECK(caller.late.quantile(0) >= 50 * ms);
    CHECK(caller.pacing.unsent() == 0);
  }

  TEST_CASE("what nobody took until the run was given up is counted") {
    OneCaller caller;
    Pace pace = evenly_since(monotonic_us() - 100 * ms);
    pace.give_up_us = monotonic_us();
    caller.run(pace);
    CHECK(caller.ended);
    CHECK(caller.starts.empty());
    CHECK(caller.pacing.unsent() == 50);
  }

  TEST_CASE("arrivals of the warm-up are served, and count neither as late nor as unsent") {
    OneCaller served;
    Pace pace = evenly_since(monotonic_us() - 100 * ms);
    pace.window.begin_us += 20 * ms;
    served.run(pace);
    CHECK(served.starts.size() == 50);
    CHECK(served.late.count() == 30);
    OneCaller given_up;
    pace.give_up_us = monotonic_us();
    given_up.run(pace);
    CHECK(given_up.pacing.unsent() == 30);
  }

  TEST_CASE("the closed loop ends with its window") {
    OneCaller caller;
    Pace pace;
    pace.window = {monotonic_us() - 2 * ms, monotonic_us() - ms};
    caller.run(pace);
    CHECK(caller.ended);
    CHECK(caller.starts.empty());
  }

  TEST_CASE("nobody starts before the beginning") {
    OneCaller caller;
    caller.nursery.spawn(OneCaller::take_all(caller));
    CHECK_FALSE(caller.ended);
    caller.pacing.begin(evenly_since(monotonic_us() - 100 * ms));
    CHECK(caller.ended);
    CHECK(caller.starts.size() == 50);
  }
}
