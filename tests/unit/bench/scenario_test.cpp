#include "load/scenario.hpp"

#include <doctest/doctest.h>

using namespace mcplb::bench;

namespace {

std::string error_of(std::string_view json, const std::vector<std::string>& changes = {}) {
  const auto read = read_scenario(json, changes);
  CHECK_FALSE(read.scenario);
  return read.error;
}

}  // namespace

TEST_SUITE("bench/scenario") {
  TEST_CASE("every key finds its place") {
    const auto read = read_scenario(R"({
      "url": "http://127.0.0.1:9000/mcp", "era": "legacy", "mode": "open", "rate": 2500,
      "arrivals": "even", "connections": 8, "sessions": 100, "warmup_seconds": 0.5, "seconds": 3,
      "mix": [{"tool": "sleep", "ms": 20, "weight": 3}, {"kind": "churn", "calls": 2}],
      "streams": {"count": 10, "emit_urls": ["http://127.0.0.1:9001/bench/emit"],
                  "emit_every_ms": 50, "emit_count": 4, "emit_bytes": 300},
      "headers": {"Authorization": "Bearer x"}, "timeout_ms": 700, "threads": 2, "seed": 9,
      "allow_moves": true, "keep_sessions": true})", {});
    REQUIRE_MESSAGE(read.scenario, read.error);
    const Scenario& scenario = *read.scenario;
    CHECK(scenario.url.port == 9000);
    CHECK(scenario.url.path == "/mcp");
    CHECK(scenario.mode == Scenario::Mode::open);
    CHECK_FALSE(scenario.poisson);
    CHECK(scenario.rate == 2500);
    CHECK(scenario.mix.size() == 2);
    CHECK(scenario.mix[0].tool == Tool::sleep);
    CHECK(scenario.mix[0].name == "sleep");
    CHECK(scenario.mix[0].ms == 20);
    CHECK(scenario.mix[1].what == MixItem::What::churn);
    CHECK(scenario.mix[1].calls == 2);
    CHECK(scenario.streams.emit_urls.at(0).port == 9001);
    CHECK(scenario.headers.at(0).second == "Bearer x");
    CHECK(scenario.timeout == mcplb::milliseconds(700));
    CHECK(scenario.allow_moves);
  }

  TEST_CASE("changes replace keys of the top level") {
    const auto read = read_scenario(R"({"seconds": 5, "mix": []})",
                                    {"seconds=2", R"(url="http://127.0.0.1:1/x")"});
    REQUIRE(read.scenario);
    CHECK(read.scenario->seconds == 2);
    CHECK(read.scenario->url.path == "/x");
    CHECK(error_of("{}", {"seconds"}) == "seconds is not KEY=JSON");
  }

  TEST_CASE("what is wrong is named") {
    CHECK(error_of("[]") == "the scenario is not a JSON object");
    CHECK(error_of(R"({"conections": 3})") == "scenario.conections is not known");
    CHECK(error_of(R"({"seconds": -1})") == "scenario.seconds is not a number in its range");
    CHECK(error_of(R"({"mode": "half"})") == "scenario.mode is none of its two words");
    CHECK(error_of(R"({"mix": [{"tool": "big"}]})") ==
          "mix.tool is none of small, large, events, sleep");
    CHECK(error_of(R"({"url": "https://a:1/"})") == "url is not http://IP:PORT/path: https://a:1/");
  }

  TEST_CASE("scenarios that contradict themselves are refused") {
    CHECK(error_of(R"({"mode": "open"})") == "open mode needs a rate");
    CHECK(error_of(R"({"era": "modern", "mix": [{"kind": "ping"}]})") ==
          "ping does not exist in the modern era");
    CHECK(error_of(R"({"mix": [{"kind": "discover"}]})") ==
          "discover does not exist in the legacy era");
    CHECK(error_of(R"({"sessions": 0, "mix": [{}]})") == "there are fewer sessions than threads");
    CHECK(read_scenario(R"({"sessions": 0, "mix": [{"kind": "churn"}]})", {}).scenario);
  }

  TEST_CASE("a URL needs http, an address and a port") {
    CHECK(parse_url("http://localhost:80")->ip == "127.0.0.1");
    CHECK(parse_url("http://localhost:80")->path == "/");
    CHECK_FALSE(parse_url("127.0.0.1:80"));
    CHECK_FALSE(parse_url("http://127.0.0.1/"));
    CHECK_FALSE(parse_url("http://127.0.0.1:0/"));
    CHECK_FALSE(parse_url("http://127.0.0.1:70000/"));
  }
}
