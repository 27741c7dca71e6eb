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
  std::vector<PoolView> pools;
  ActivityView activity;
  int pauses = 0;
  SessionsAnswer sessions;
  SessionsQuery asked;
  SessionAnswer session;
  SessionQuery asked_one;
  Admin admin;

  explicit Fixture(std::string token = "")
      : admin(settings_with(std::move(token)), view()) {
    report.instance = "lb-1";
    report.version = "1.2.3";
    report.uptime_seconds = 61;
    report.active_sessions = 4;
    report.pools.push_back(pool(3, 3));
  }
  View view() {
    View made;
    made.health = [this] { return report; };
    made.ready = [this] { return ready; };
    made.sessions = [this](const SessionsQuery& query) {
      asked = query;
      return sessions;
    };
    made.pools = [this] { return pools; };
    made.activity = [this] { return activity; };
    made.metrics = [] { return std::string("# HELP m h\n"); };
    made.configuration = [] { return std::string("{\"workers\": 2}\n"); };
    made.pause = [this](milliseconds time) { return pause(time); };
    made.session = [this](SessionQuery query) {
      asked_one = std::move(query);
      return answer_one(session);
    };
    return made;
  }
  // Meanwhile the state changes.
  Task<void> pause(milliseconds time) {
    CHECK(time == limits::admin_event_interval);
    ++pauses;
    ++report.uptime_seconds;
    if (pauses == 3) pools.clear();
    co_return;
  }
  static Task<SessionAnswer> answer_one(SessionAnswer answer) { co_return answer; }
  static Settings settings_with(std::string token) {
    Settings settings;
    settings.token = std::move(token);
    return settings;
  }
  test::Asked ask(const std::string& line, const std::string& fields = "") {
    return test::Asked(loop, admin, line + " HTTP/1.1\r\n" + fields);
  }
};

SessionView session_view() {
  SessionView view;
  view.hash = "0123456789ab";
  view.pool = "p";
  view.backend = "h:1";
  view.protocol = "2025-06-18";
  view.age_seconds = 70;
  view.generation = 2;
  view.in_flight = 1;
  view.streams = 3;
  return view;
}

nlohmann::json parsed(test::Asked& asked) {
  return nlohmann::json::parse(asked.body(), nullptr, false);
}

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
    for (const char* path : {"/nothing", "/health/", "/healthy"}) {
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
    CHECK(fixture.ask("GET /").status() == 200);
    auto refused = fixture.ask("GET /config");
    CHECK(refused.status() == 401);
    CHECK(refused.field("WWW-Authenticate") == "Bearer realm=\"mcplb\"");
    CHECK(fixture.ask("GET /config", "Authorization: Bearer secreT\r\n").status() == 401);
    CHECK(fixture.ask("GET /nothing", "Authorization: Bearer secret\r\n").status() == 404);
  }

  TEST_CASE("sessions are asked for by pool, page by page") {
    Fixture fixture;
    fixture.sessions.sessions = {session_view(), SessionView{}};
    fixture.sessions.next = "0-1-2";
    fixture.sessions.total = 7;
    auto page = fixture.ask("GET /api/sessions?pool=a%20b&limit=1000&after=0-0-1");
    CHECK(page.status() == 200);
    CHECK(fixture.asked.pool == "a b");
    CHECK(fixture.asked.limit == 1000);
    CHECK(fixture.asked.after == "0-0-1");
    const auto expected = nlohmann::json::parse(R"({
      "sessions": [
        {"session": "0123456789ab", "pool": "p", "backend": "h:1", "age_seconds": 70,
         "idle_seconds": 0, "in_flight": 1, "streams": 3, "generation": 2,
         "protocol": "2025-06-18"},
        {"session": "", "pool": "", "backend": null, "age_seconds": null, "idle_seconds": 0,
         "in_flight": null, "streams": null, "generation": 1, "protocol": null}],
      "next": "0-1-2", "total": 7})");
    CHECK(parsed(page) == expected);
    auto all = fixture.ask("GET /api/sessions");
    CHECK(all.status() == 200);
    CHECK(fixture.asked.limit == 100);
    CHECK(fixture.asked.pool.empty());
  }

  TEST_CASE("a page that cannot be had says why") {
    Fixture fixture;
    for (const char* limit : {"0", "1001", "-1", "x", "1e3", "99999999999999999999"}) {
      auto refused = fixture.ask("GET /api/sessions?limit=" + std::string(limit));
      CHECK(refused.status() == 400);
      CHECK(refused.has_sent(R"("error":"bad_request")"));
    }
    fixture.sessions.outcome = SessionsAnswer::Outcome::bad_cursor;
    CHECK(fixture.ask("GET /api/sessions?after=x").status() == 400);
    fixture.sessions.outcome = SessionsAnswer::Outcome::no_such_pool;
    CHECK(fixture.ask("GET /api/sessions?pool=x").status() == 404);
  }

  TEST_CASE("one session is asked for by the id that its client knows") {
    Fixture fixture;
    fixture.session = {SessionAnswer::Known::memory, session_view()};
    auto one = fixture.ask("GET /api/cluster/sessions/a%2Fb%3F?pool=p");
    CHECK(one.status() == 200);
    CHECK(fixture.asked_one.id == "a/b?");
    CHECK(fixture.asked_one.pool == "p");
    auto body = parsed(one);
    CHECK(body["success"] == true);
    CHECK(body["data"]["last_seen"].is_number_integer());
    body["data"].erase("last_seen");
    const auto expected = nlohmann::json::parse(R"({
      "session": "0123456789ab", "pool": "p", "owner": "h:1", "nodeId": "h:1",
      "age_seconds": 70, "idle_seconds": 0, "in_flight": 1, "streams": 3, "generation": 2,
      "protocol": "2025-06-18", "known": "memory"})");
    CHECK(body["data"] == expected);
    fixture.session.known = SessionAnswer::Known::store;
    CHECK(fixture.ask("GET /api/cluster/sessions/a").has_sent(R"("known":"store")"));
  }

  TEST_CASE("a session that is not known is 404, and one that cannot be asked for is not") {
    Fixture fixture;
    auto unknown = fixture.ask("GET /api/cluster/sessions/a");
    CHECK(unknown.status() == 404);
    CHECK(unknown.has_sent(R"({"success":false,"error":)"));
    fixture.session.known = SessionAnswer::Known::store_away;
    CHECK(fixture.ask("GET /api/cluster/sessions/a").status() == 503);
    for (const char* id : {"", "%", "%2", "%zz"}) {
      auto wrong = fixture.ask("GET /api/cluster/sessions/" + std::string(id));
      CHECK(wrong.status() == 400);
      CHECK(wrong.has_sent(R"("success":false)"));
    }
  }

  TEST_CASE("what is told of sessions is read only, and wants the token") {
    Fixture fixture("secret");
    for (const char* path : {"/api/sessions", "/api/cluster/sessions/a", "/api/cluster/status"}) {
      CAPTURE(path);
      CHECK(fixture.ask(std::string("GET ") + path).status() == 401);
      CHECK(fixture.ask(std::string("POST ") + path).status() == 401);
      const std::string token = "Authorization: Bearer secret\r\n";
      CHECK(fixture.ask(std::string("GET ") + path, token).status() != 401);
      auto posted = fixture.ask(std::string("POST ") + path, token);
      CHECK(posted.status() == 405);
      CHECK(posted.field("Allow") == "GET, HEAD");
      CHECK(fixture.ask(std::string("DELETE ") + path, token).status() == 405);
    }
  }

  TEST_CASE("the cluster's status counts backends as nodes and pools as servers") {
    Fixture fixture;
    fixture.report.pools = {pool(3, 2), pool(1, 1)};
    auto status = fixture.ask("GET /api/cluster/status");
    CHECK(status.status() == 200);
    const auto expected = nlohmann::json::parse(R"({"success": true, "data": {
      "enabled": true, "mode": "coordinator", "nodeId": "lb-1",
      "stats": {"nodes": 4, "activeNodes": 3, "servers": 2, "sessions": 4}}})");
    CHECK(parsed(status) == expected);
  }

  TEST_CASE("metrics are Prometheus text, the configuration is JSON") {
    Fixture fixture;
    auto metrics = fixture.ask("GET /metrics");
    CHECK(metrics.status() == 200);
    CHECK(metrics.field("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
    CHECK(metrics.body() == "# HELP m h\n");
    auto config = fixture.ask("GET /config");
    CHECK(config.field("Content-Type") == "application/json");
    CHECK(config.field("Cache-Control") == "no-store");
    CHECK(config.body() == "{\"workers\": 2}\n");
    Fixture guarded("secret");
    CHECK(guarded.ask("GET /metrics").status() == 401);
    CHECK(guarded.ask("GET /config").status() == 401);
    CHECK(guarded.ask("GET /api/events").status() == 401);
  }

  TEST_CASE("the state tells of traffic, and of what changed lately") {
    Fixture fixture;
    fixture.pools.push_back({"p", "round_robin", {}, {{"moved", 2}}, {}});
    TrafficView& seen = fixture.activity.traffic;
    seen.requests_per_second = 1.23456;
    seen.latency = Quantiles{1.5, 9.25};
    seen.step_seconds = 5;
    seen.history.push_back({3, 1, std::nullopt});
    seen.history.push_back({4, 0, Quantiles{1, 2}});
    fixture.activity.local_replies = {{"no_backend", 3}};
    fixture.activity.timeline = {{"t", "warn", "backend_down", 2, R"({"backend":"a"})"}};
    auto asked = fixture.ask("GET /api/state");
    const auto state = parsed(asked);
    const auto traffic = nlohmann::json::parse(R"({
      "requests_per_second": 1.235, "errors_per_second": 0.0,
      "latency_ms": {"p50": 1.5, "p99": 9.25}, "overhead_ms": null,
      "requests_total": 0, "errors_total": 0,
      "history": {"step_seconds": 5, "requests_per_second": [3.0, 4.0],
                  "errors_per_second": [1.0, 0.0], "p50_ms": [null, 1.0],
                  "p99_ms": [null, 2.0]}})");
    CHECK(state["traffic"] == traffic);
    CHECK(state["local_replies"] == nlohmann::json::parse(R"({"no_backend": 3})"));
    CHECK(state["pools"][0]["session_events"]["moved"] == 2);
    CHECK(state["timeline"] == nlohmann::json::parse(R"([{"time": "t", "level": "warn",
      "event": "backend_down", "count": 2, "fields": {"backend": "a"}}])"));
  }

  TEST_CASE("the history is left out for who does not want it") {
    Fixture fixture;
    fixture.pools.push_back({"p", "round_robin", {}, {}, {}});
    CHECK(fixture.ask("GET /api/state").has_sent("history"));
    CHECK_FALSE(fixture.ask("GET /api/state?history=no").has_sent("history"));
  }

  TEST_CASE("without a token nothing but the page and probes is told under a made-up name") {
    Fixture fixture;
    const std::string rebound = "Host: evil.example\r\n";
    for (const char* path : {"/api/state", "/api/events", "/config", "/metrics", "/api/sessions"}) {
      CHECK(fixture.ask(std::string("GET ") + path, rebound).status() == 403);
    }
    CHECK(fixture.ask("GET /health", rebound).status() == 200);
    const std::string fields = rebound + "Authorization: Bearer secret\r\n";
    CHECK(Fixture("secret").ask("GET /config", fields).status() == 200);
  }

  TEST_CASE("events are the state again and again, until the pool that is followed is gone") {
    Fixture fixture;
    fixture.pools.push_back({"p", "round_robin", {}, {}, {}});
    auto events = fixture.ask("GET /api/events?pool=p");
    CHECK(events.done());
    CHECK(events.field("Content-Type") == "text/event-stream");
    CHECK(fixture.pauses == 3);
    CHECK(events.has_sent("event: state\ndata: {"));
    CHECK(events.has_sent(R"("uptime_seconds":61)"));
    CHECK(events.has_sent(R"("uptime_seconds":63)"));
    CHECK_FALSE(events.has_sent(R"("uptime_seconds":64)"));
    CHECK(events.has_sent("0\r\n\r\n"));
    CHECK(fixture.ask("GET /api/events?pool=nope").status() == 404);
  }
}

}  // namespace
}  // namespace mcplb::admin
