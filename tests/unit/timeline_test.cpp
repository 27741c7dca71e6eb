#include "timeline.hpp"

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb {
namespace {

std::string field(const char* name, const std::string& value) {
  return ",\"" + std::string(name) + "\":\"" + value + "\"";
}

}  // namespace

TEST_SUITE("timeline") {
  TEST_CASE("the newest comes first, with its fields") {
    Timeline timeline;
    timeline.hear(LogLevel::info, "reloaded", "", 0);
    timeline.hear(LogLevel::warn, "backend_down", field("backend", "a") + ",\"after\":3", 1'000);
    const auto shown = timeline.newest_first();
    REQUIRE(shown.size() == 2);
    CHECK(shown[0].event == "backend_down");
    CHECK(shown[0].level == "warn");
    CHECK(shown[0].fields == R"({"backend":"a","after":3})");
    CHECK(shown[0].time.ends_with("Z"));
    CHECK(shown[1].event == "reloaded");
    CHECK(shown[1].fields == "{}");
  }

  TEST_CASE("equal ones close together are one, without what tells them apart") {
    Timeline timeline;
    const std::string flow = field("from", "a") + field("to", "b");
    timeline.hear(LogLevel::info, "session_moved", field("session", "s1") + flow, 0);
    timeline.hear(LogLevel::info, "session_moved", field("session", "s2") + flow, 500);
    timeline.hear(LogLevel::info, "session_moved",
                  field("session", "s3") + field("from", "a") + field("to", "c"), 600);
    const auto shown = timeline.newest_first();
    REQUIRE(shown.size() == 2);
    CHECK(shown[0].count == 1);
    CHECK(shown[1].count == 2);
    CHECK(shown[1].fields == R"({"from":"a","to":"b"})");
    const TimePoint later = limits::timeline_same_within.count() + 501;
    timeline.hear(LogLevel::info, "session_moved", field("session", "s4") + flow, later);
    CHECK(timeline.newest_first().size() == 3);
  }

  TEST_CASE("thousands of sessions that move at once are counted") {
    Timeline timeline;
    const std::string flow = field("from", "a") + field("to", "b");
    const std::uint64_t hits = limit_hits(Limit::timeline_events);
    for (int i = 0; i < 5'000; ++i) {
      timeline.hear(LogLevel::info, "session_moved", field("session", std::to_string(i)) + flow, 7);
    }
    REQUIRE(timeline.newest_first().size() == 1);
    CHECK(timeline.newest_first()[0].count == 5'000);
    CHECK(limit_hits(Limit::timeline_events) == hits);
  }

  TEST_CASE("a command that was refused is not told") {
    Timeline timeline;
    timeline.hear(LogLevel::info, "admin_command",
                  field("command", "drain") + field("result", "refused"), 0);
    CHECK(timeline.newest_first().empty());
  }

  TEST_CASE("it is bounded, in all and in one second") {
    Timeline timeline;
    const std::uint64_t hits = limit_hits(Limit::timeline_events);
    for (std::size_t i = 0; i < limits::timeline_events_per_second + 5; ++i)
      timeline.hear(LogLevel::info, "backend_down", field("backend", std::to_string(i)), 0);
    CHECK(timeline.newest_first().size() == limits::timeline_max);
    CHECK(limit_hits(Limit::timeline_events) == hits + 5);
  }
}

}  // namespace mcplb
