// The small value types of base: Result, Deadline, ids for logs, counters.
#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/hash.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/base/result.hpp"

using namespace mcplb;

namespace {

Result<std::unique_ptr<int>> make(bool good) {
  if (!good) return Error{Error::Kind::refused, Error::Side::backend, 111, "refused"};
  return std::make_unique<int>(7);
}

Result<void> act(bool good) {
  if (!good) return Error{Error::Kind::timeout, Error::Side::client, 0, "too slow"};
  return {};
}

}  // namespace

TEST_SUITE("base/result") {
  TEST_CASE("holds a value, which can be moved out") {
    auto made = make(true);
    REQUIRE(made);
    CHECK(**made == 7);
    const std::unique_ptr<int> value = *std::move(made);
    CHECK(*value == 7);
  }

  TEST_CASE("holds an error with all that is known about it") {
    const auto made = make(false);
    REQUIRE_FALSE(made);
    CHECK(made.error().kind == Error::Kind::refused);
    CHECK(made.error().side == Error::Side::backend);
    CHECK(made.error().os_code == 111);
    CHECK(std::string(made.error().what) == "refused");
  }

  TEST_CASE("of void is good or an error") {
    CHECK(act(true));
    REQUIRE_FALSE(act(false));
    CHECK(act(false).error().kind == Error::Kind::timeout);
  }

  TEST_CASE("every kind of error has a name of its own") {
    std::vector<std::string> names;
    for (int kind = 0; kind <= static_cast<int>(Error::Kind::failed); ++kind) {
      names.emplace_back(to_string(static_cast<Error::Kind>(kind)));
    }
    std::sort(names.begin(), names.end());
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  }
}

TEST_SUITE("base/clock") {
  TEST_CASE("a deadline has passed from its own millisecond on") {
    const Deadline deadline = Deadline::after(1000, milliseconds(5));
    CHECK(deadline.when() == 1005);
    CHECK_FALSE(deadline.passed(1004));
    CHECK(deadline.passed(1005));
    CHECK(deadline.passed(1006));
  }

  TEST_CASE("never does not pass, and anything is earlier") {
    CHECK(Deadline::never().is_never());
    CHECK_FALSE(Deadline::never().passed(std::numeric_limits<TimePoint>::max() - 1));
    CHECK(earlier(Deadline::never(), Deadline::at(5)).when() == 5);
    CHECK(earlier(Deadline::at(4), Deadline::at(5)).when() == 4);
  }

  TEST_CASE("monotonic time does not go back, and both units tell the same time") {
    const std::int64_t before = monotonic_us();
    const TimePoint between = monotonic_ms();
    const std::int64_t after = monotonic_us();
    constexpr std::int64_t late_ms_max = 100;  // a tick is 10 at most, and a busy machine's is late
    CHECK(before <= after);
    CHECK(before / 1000 - late_ms_max <= between);
    CHECK(between <= after / 1000);
  }
}

TEST_SUITE("base/hash") {
  TEST_CASE("equal bytes have equal hashes, and the seed matters") {
    CHECK(hash64("abc") == hash64(std::string("abc")));
    CHECK(hash64("abc") != hash64("abd"));
    CHECK(hash64("abc", 1) != hash64("abc"));
  }

  TEST_CASE("a logged id has twelve hex digits and does not show the id") {
    const std::string shown = hashed_for_log("0f8fad5b-d9cb-469f-a165-70867728950e");
    CHECK(shown.size() == 12);
    CHECK(shown.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(shown == hashed_for_log("0f8fad5b-d9cb-469f-a165-70867728950e"));
    CHECK(shown != hashed_for_log("0f8fad5b-d9cb-469f-a165-70867728950f"));
  }
}

TEST_SUITE("base/random") {
  TEST_CASE("request ids are 32 hex digits and differ") {
    std::string one;
    std::string two;
    append_request_id(one);
    append_request_id(two);
    CHECK(one.size() == 32);
    CHECK(one.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(one != two);
  }
}

TEST_SUITE("base/metrics") {
  TEST_CASE("counters and gauges lose nothing between threads") {
    Counter counter;
    Gauge gauge;
    const auto work = [&] {
      for (int i = 0; i < 10'000; ++i) {
        counter.add();
        gauge.add(i % 2 == 0 ? 2 : -1);
      }
    };
    std::thread other(work);
    work();
    other.join();
    CHECK(counter.value() == 20'000);
    CHECK(gauge.value() == 10'000);
  }

  TEST_CASE("every limit has a name, and its hits are counted apart") {
    for (int limit = 0; limit < static_cast<int>(Limit::count_); ++limit) {
      CHECK(std::string(to_string(static_cast<Limit>(limit))) != "none");
    }
    const std::uint64_t headers = limit_hits(Limit::headers);
    const std::uint64_t sessions = limit_hits(Limit::sessions);
    count_limit_hit(Limit::headers);
    CHECK(limit_hits(Limit::headers) == headers + 1);
    CHECK(limit_hits(Limit::sessions) == sessions);
  }
}
