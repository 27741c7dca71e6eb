#include "cli_tables.hpp"

#include <doctest/doctest.h>

namespace mcplb {
namespace {

using Json = nlohmann::json;

Json session(const char* hash, const char* pool) {
  return {{"session", hash},     {"pool", pool},   {"backend", "h:1"}, {"age_seconds", 7300},
          {"idle_seconds", 0},   {"in_flight", 1}, {"streams", 2},     {"generation", 3},
          {"protocol", nullptr}};
}

TEST_SUITE("cli_tables") {
  TEST_CASE("columns are as wide as their widest cell, and no line ends in spaces") {
    CHECK(table({{"A", "LONG"}, {"wider", "x"}}) == "A      LONG\nwider  x\n");
    CHECK(table({}).empty());
  }

  TEST_CASE("durations are told in the largest unit that fits") {
    CHECK(short_duration(0) == "0s");
    CHECK(short_duration(59) == "59s");
    CHECK(short_duration(60) == "1m");
    CHECK(short_duration(3599) == "59m");
    CHECK(short_duration(3600) == "1h");
    CHECK(short_duration(47 * 3600) == "47h");
    CHECK(short_duration(48 * 3600) == "2d");
  }

  TEST_CASE("the health of an instance is one word, escaped, and a dash when it is missing") {
    CHECK(health_text({{"status", "degraded"}, {"pools", Json::array()}}) == "degraded\n");
    CHECK(health_text({{"status", "\x1b[2J"}}) == "\\x1b[2J\n");
    CHECK(health_text(Json::object()) == "-\n");
  }

  TEST_CASE("sessions are a line each, with what is not known as a dash") {
    const Json answer{
        {"sessions", {session("0123456789ab", "p")}}, {"next", nullptr}, {"total", 1}};
    CHECK(sessions_table(answer) ==
          "SESSION       POOL  BACKEND  PROTOCOL  AGE  IDLE  IN-FLIGHT  STREAMS  GENERATION\n"
          "0123456789ab  p     h:1      -         2h   0s    1          2        3\n"
          "1 of 1 sessions\n");
  }

  TEST_CASE("a list that goes on says how, and an empty one is no table") {
    const Json more{{"sessions", {session("a", "p")}}, {"next", "0-1-ff"}, {"total", 9}};
    CHECK(sessions_table(more).ends_with("\n1 of 9 sessions; more with --after 0-1-ff\n"));
    const Json none{{"sessions", Json::array()}, {"next", nullptr}, {"total", 0}};
    CHECK(sessions_table(none) == "0 of 0 sessions\n");
  }

  TEST_CASE("the status is the instance, and a line for each pool") {
    const Json answer = Json::parse(R"({"instance": "lb", "version": "1", "status": "degraded",
      "uptime_seconds": 61, "active_sessions": 4, "store": {"kind": "redis", "status": "connected"},
      "pools": [{"name": "p", "status": "degraded", "usable": 1, "sessions": 4,
      "traffic": {"requests_per_second": 12.34, "errors_per_second": 0, "latency_ms": {"p99": 3}},
      "backends": [
        {"id": "a", "streams": 2, "in_flight": 1}, {"id": "b", "streams": 3, "in_flight": 0}]}]})");
    CHECK(status_table(answer) ==
          "instance  lb\nversion   1\nstatus    degraded\nup for    1m\nsessions  4\n"
          "store     redis, connected\n\n"
          "POOL  STATUS    USABLE  SESSIONS  STREAMS  IN-FLIGHT  REQ/S  ERR/S  P99\n"
          "p     degraded  1/2     4         5        1          12.3   0.0    3.0ms\n");
  }

  TEST_CASE("backends are a line each") {
    const Json answer = Json::parse(R"({"pools": [{"name": "p", "backends": [
      {"id": "a", "url": "http://h:1", "state": "up", "weight": 2, "sessions": 1, "streams": 0,
       "in_flight": 3, "suspect": true, "since_seconds": 120, "last_check_seconds": null}]}]})");
    CHECK(backends_table(answer) ==
          "POOL  BACKEND  URL         STATE         WEIGHT  SESSIONS  STREAMS  IN-FLIGHT  SINCE  "
          "CHECKED  REQ/S  ERR/S  P99\n"
          "p     a        http://h:1  up (suspect)  2       1         0        3          2m     "
          "-        -      -      -\n");
  }

  TEST_CASE("what is left on a backend is counted, one thing in the singular") {
    const Json some{{"sessions", 12}, {"streams", 1}, {"in_flight", 0}};
    CHECK(left_text(some) == "12 sessions, 1 stream, 0 requests left");
    CHECK(left_json(some) == R"({"in_flight":0,"sessions":12,"streams":1})");
    CHECK_FALSE(is_empty(some));
    CHECK(is_empty({{"sessions", 0}, {"streams", 0}, {"in_flight", 0}}));
    CHECK_FALSE(is_empty({{"sessions", 0}, {"streams", 0}}));
    const Json answer{{"data",
                       {{"pool", "p"}, {"backend", "a"}, {"mode", "draining"}, {"sessions", 1},
                        {"streams", 0}, {"in_flight", 0}}}};
    CHECK(change_text(answer) == "p/a is draining: 1 session, 0 streams, 0 requests left\n");
  }

  TEST_CASE("one session is a list of its facts") {
    const Json answer{{"success", true},
                      {"data", {{"session", "a"}, {"owner", "h:1"}, {"known", "memory"}}}};
    const std::string text = session_table(answer);
    CHECK(text.starts_with("session     a\npool        -\nowner       h:1\n"));
    CHECK(text.ends_with("known from  memory\n"));
  }

  TEST_CASE("an answer that makes no sense does no harm, and terminals obey nothing of it") {
    for (const char* text : {"[]", "7", "{}", R"({"sessions": {"a": 1}})",
                             R"({"sessions": [7, null, {"session": []}], "total": "x"})"}) {
      const Json answer = Json::parse(text);
      CHECK(status_table(answer).starts_with("instance  -\n"));
      CHECK(backends_table(answer).starts_with("POOL"));
      CHECK_FALSE(is_empty(answer));
      CHECK(reload_text(answer) == "reloaded\n");
      CHECK(sessions_table(answer).find(" of ") != std::string::npos);
      CHECK_FALSE(session_table(answer).empty());
    }
    const Json hostile{{"sessions", {session("\x1b[2J", "p\n")}}, {"total", 1}};
    CHECK(sessions_table(hostile).find('\x1b') == std::string::npos);
    CHECK(sessions_table(hostile).find("p\n") == std::string::npos);
  }
}

}  // namespace
}  // namespace mcplb
