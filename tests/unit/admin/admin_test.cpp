#include "mcplb/admin/admin.hpp"

#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "mcplb/base/limits.hpp"

#include "unit/demo/asked.hpp"

namespace mcplb::admin {
namespace {

PoolHealth pool(std::size_t backends, std::size_t usable) {
  PoolHealth made;
  made.name = "p";
  made.backends = backends;
  made.usable = usable;
  return made;
}

struct Fixture {
  net::Loop loop{limits::buffer_block_bytes};
  HealthReport report;
  bool ready = true;
  Admin admin;

  explicit Fixture(std::string token = "")
      : admin(settings_with(std::move(token)), View{[this] { return report; },
                                                    [this] {
                                                      return ready;
                                                    }}) {
    report.instance = "lb-1";
    report.version = "1.2.3";
    report.uptime_seconds = 61;
    report.active_sessions = 4;
    report.pools.push_back(pool(3, 3));
  }
  static Settings settings_with(std::string token) {
    Settings settings;
    settings.token = std::move(token);
    return settings;
  }
  test::Asked ask(const std::string& line, const std::string& fields = "") {
    return test::Asked(loop, admin, line + " HTTP/1.1\r\n" + fields);
  }
};

std::string_view status_for(std::initializer_list<PoolHealth> pools) {
  HealthReport report;
  report.pools = pools;
  return status_of(report);
}

TEST_SUITE("admin/admin") {
  TEST_CASE("health shows what the view reports") {
    Fixture fixture;
    auto health = fixture.ask("GET /health");
    CHECK(health.status() == 200);
    CHECK(health.field("Content-Type") == "application/json");
    const auto body = nlohmann::json::parse(health.body(), nullptr, false);
    const auto expected = nlohmann::json::parse(R"({
      "status": "healthy", "instance": "lb-1", "version": "1.2.3", "uptime_seconds": 61,
      "active_sessions": 4, "store": {"kind": "memory"},
      "pools": [{"name": "p", "status": "healthy", "backends": {"total": 3, "usable": 3},
                 "sessions": 0}]})");
    CHECK(body == expected);
  }

  TEST_CASE("one backend down degrades, and only the last usable one makes unhealthy") {
    CHECK(status_for({pool(3, 3), pool(1, 1)}) == "healthy");
    CHECK(status_for({pool(3, 2)}) == "degraded");
    CHECK(status_for({pool(3, 3), pool(2, 0)}) == "degraded");
    CHECK(status_for({pool(3, 0), pool(2, 0)}) == "unhealthy");
    CHECK(status_for({}) == "unhealthy");
  }

  TEST_CASE("a store that is away degrades, and what waits for it is counted") {
    Fixture fixture;
    fixture.report.store = {"redis", true, 0};
    auto there = fixture.ask("GET /health");
    CHECK(there.has_sent(R"("status":"healthy")"));
    CHECK(there.has_sent(R"("store":{"kind":"redis","status":"connected","waiting":0})"));
    fixture.report.store = {"redis", false, 7};
    auto away = fixture.ask("GET /health");
    CHECK(away.status() == 200);
    CHECK(away.has_sent(R"("status":"degraded")"));
    CHECK(away.has_sent(R"("store":{"kind":"redis","status":"unreachable","waiting":7})"));
  }

  TEST_CASE("health is 503 when unhealthy and 200 when degraded") {
    Fixture fixture;
    fixture.report.pools.front().usable = 1;
    CHECK(fixture.ask("GET /health").status() == 200);
    fixture.report.pools.front().usable = 0;
    auto health = fixture.ask("GET /health");
    CHECK(health.status() == 503);
    CHECK(health.has_sent(R"("status":"unhealthy")"));
  }

  TEST_CASE("a process that is not ready is alive all the same") {
    Fixture fixture;
    CHECK(fixture.ask("GET /health/ready").status() == 200);
    fixture.ready = false;
    CHECK(fixture.ask("GET /health/ready").status() == 503);
    CHECK(fixture.ask("GET /health/live").status() == 200);
  }

  TEST_CASE("HEAD has the head of GET and no body") {
    Fixture fixture;
    auto head = fixture.ask("HEAD /health");
    CHECK(head.status() == 200);
    CHECK(head.field("Content-Length") == fixture.ask("GET /health").field("Content-Length"));
    CHECK(head.body().empty());
  }

  TEST_CASE("other paths get 404, other methods 405 with Allow, both as JSON") {
    Fixture fixture;
    for (const char* path : {"/", "/nothing", "/health/", "/healthy"}) {
      auto unknown = fixture.ask(std::string("GET ") + path);
      CHECK(unknown.status() == 404);
      CHECK(unknown.has_sent(R"({"error":"not_found")"));
    }
    auto posted = fixture.ask("POST /health");
    CHECK(posted.status() == 405);
    CHECK(posted.field("Allow") == "GET, HEAD");
  }

  TEST_CASE("a token is asked for everything but the probes and the page") {
    Fixture fixture("secret");
    for (const char* path : {"/health", "/health/live", "/health/ready"}) {
      CHECK(fixture.ask(std::string("GET ") + path).status() == 200);
    }
    CHECK(fixture.ask("GET /").status() == 404);
    auto refused = fixture.ask("GET /config");
    CHECK(refused.status() == 401);
    CHECK(refused.field("WWW-Authenticate") == "Bearer realm=\"mcplb\"");
    CHECK(fixture.ask("GET /config", "Authorization: Bearer secreT\r\n").status() == 401);
    CHECK(fixture.ask("GET /config", "Authorization: Bearer secret\r\n").status() == 404);
  }
}

}  // namespace
}  // namespace mcplb::admin
