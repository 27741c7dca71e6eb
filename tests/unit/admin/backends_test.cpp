// What the admin API tells of backends, and what it lets operators do with them.
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "mcplb/admin/admin.hpp"
#include "mcplb/base/limits.hpp"

#include "unit/demo/asked.hpp"

namespace mcplb::admin {
namespace {

constexpr const char* token_field = "Authorization: Bearer secret\r\n";
constexpr const char* json_type = "Content-Type: application/json\r\n";

BackendView backend(const char* id) {
  BackendView made;
  made.id = id;
  made.url = "http://" + std::string(id);
  made.sessions = 12;
  made.streams = 3;
  made.in_flight = 2;
  return made;
}

struct Fixture {
  net::Loop loop{limits::buffer_block_bytes};
  std::vector<PoolView> pools;
  std::vector<BackendCommand> commands;
  bool changes = true;
  ReloadAnswer reloaded;
  Admin admin;

  explicit Fixture(std::string token = "secret") : admin(Settings{"", std::move(token)}, view()) {
    pools.push_back({"p", "round_robin", {}, {}, {backend("h:1"), backend("[::1]:2")}});
    pools.push_back({"q", "round_robin", {}, {}, {backend("h:1")}});
  }
  View view() {
    View made;
    made.health = [this] {
      HealthReport report;
      report.instance = "lb-1";
      for (const PoolView& pool : pools) {
        report.pools.push_back({pool.name, pool.backends.size(), pool.backends.size(), 5});
      }
      return report;
    };
    made.pools = [this] { return pools; };
    made.activity = [] { return ActivityView(); };
    made.change_backend = [this](const BackendCommand& command) -> Result<BackendView> {
      commands.push_back(command);
      if (!changes) return Error{Error::Kind::failed, Error::Side::self, 0, "it has just left"};
      BackendView changed = backend(command.backend.c_str());
      changed.mode = command.mode;
      return changed;
    };
    made.reload = [this] { return answer(reloaded); };
    made.registration = [] { return nullptr; };
    return made;
  }
  static Task<ReloadAnswer> answer(ReloadAnswer answer) { co_return answer; }
  test::Asked get(const std::string& path) {
    return test::Asked(loop, admin, "GET " + path + " HTTP/1.1\r\n" + token_field);
  }
  test::Asked post(const std::string& path) {
    return post_with(path, std::string(token_field) + json_type);
  }
  test::Asked post_with(const std::string& path, const std::string& fields) {
    return test::Asked(loop, admin, "POST " + path + " HTTP/1.1\r\n" + fields, "{}");
  }
};

nlohmann::json parsed(test::Asked& asked) {
  return nlohmann::json::parse(asked.body(), nullptr, false);
}

TEST_SUITE("admin/backends") {
  TEST_CASE("the state has every backend of every pool") {
    Fixture fixture;
    fixture.pools[0].backends[1].state = BackendState::down;
    fixture.pools[0].backends[1].suspect = true;
    fixture.pools[0].backends[1].since_seconds = 7;
    auto state = fixture.get("/api/state");
    CHECK(state.status() == 200);
    const auto body = parsed(state);
    CHECK(body["instance"] == "lb-1");
    CHECK(body["store"]["kind"] == "memory");
    REQUIRE(body["pools"].size() == 2);
    CHECK(body["pools"][0]["usable"] == 2);
    const auto expected = nlohmann::json::parse(R"({
      "id": "[::1]:2", "name": "[::1]:2", "url": "http://[::1]:2", "address": null,
      "mode": "active", "state": "down", "weight": 1, "sessions": 12, "streams": 3, "in_flight": 2,
      "suspect": true, "last_check_seconds": null, "since_seconds": 7, "registered": false})");
    auto shown = body["pools"][0]["backends"][1];
    CHECK(shown["check"].is_null());
    CHECK(shown["traffic"]["requests_total"] == 0);
    shown.erase("check");
    shown.erase("traffic");
    CHECK(shown == expected);
    auto one = fixture.get("/api/state?pool=q");
    REQUIRE(parsed(one)["pools"].size() == 1);
    CHECK(parsed(one)["pools"][0]["name"] == "q");
    auto none = fixture.get("/api/state?pool=x");
    CHECK(none.status() == 404);
    CHECK(none.has_sent("there is no pool x: there are p, q"));
  }

  TEST_CASE("a command reaches the backend that its path names, and says what is left on it") {
    Fixture fixture;
    auto drained = fixture.post("/api/backends/p/%5B::1%5D:2/drain");
    CHECK(drained.status() == 200);
    const auto expected = nlohmann::json::parse(R"({"success": true, "data": {
      "pool": "p", "backend": "[::1]:2", "mode": "draining", "state": "up",
      "sessions": 12, "streams": 3, "in_flight": 2}})");
    CHECK(parsed(drained) == expected);
    CHECK(fixture.post("/api/backends/q/h:1/activate").has_sent(R"("mode":"active")"));
    CHECK(fixture.post("/api/backends/q/h:1/disable").has_sent(R"("mode":"disabled")"));
    REQUIRE(fixture.commands.size() == 3);
    CHECK(fixture.commands[0].backend == "[::1]:2");
    CHECK(fixture.commands[1].pool == "q");
    CHECK(fixture.commands[2].mode == BackendMode::disabled);
  }

  TEST_CASE("an unknown pool or backend is 404, and those that are known are named") {
    Fixture fixture;
    auto pool = fixture.post("/api/backends/x/h:1/drain");
    CHECK(pool.status() == 404);
    CHECK(parsed(pool)["success"] == false);
    CHECK(parsed(pool)["message"] == "there is no pool x: there are p, q");
    auto other = fixture.post("/api/backends/p/h:2/drain");
    CHECK(other.status() == 404);
    CHECK(parsed(other)["message"] ==
          "there is no backend h:2: there are h:1, [::1]:2 (pool p)");
    CHECK(fixture.post("/api/backends/p/%zz/drain").status() == 404);
    CHECK(fixture.post("/api/backends/p/h:1/").status() == 404);
    CHECK(fixture.post("/api/backends/p/h:1/explode").status() == 404);
    CHECK(fixture.commands.empty());
  }

  TEST_CASE("a backend that has left meanwhile is a conflict") {
    Fixture fixture;
    fixture.changes = false;
    auto refused = fixture.post("/api/backends/p/h:1/drain");
    CHECK(refused.status() == 409);
    CHECK(parsed(refused)["message"] == "it has just left");
  }

  TEST_CASE("commands are POST only, and the right method is named") {
    Fixture fixture;
    for (const char* path : {"/api/backends/p/h:1/drain", "/api/reload"}) {
      CAPTURE(path);
      auto read = fixture.get(path);
      CHECK(read.status() == 405);
      CHECK(read.field("Allow") == "POST");
    }
    test::Asked erased(fixture.loop, fixture.admin,
                       "DELETE /api/cluster/nodes HTTP/1.1\r\n" + std::string(token_field));
    CHECK(erased.status() == 405);
    CHECK(erased.field("Allow") == "GET, HEAD, POST");
    CHECK(fixture.commands.empty());
  }

  TEST_CASE("commands want JSON, and come from no other site") {
    Fixture fixture("");
    const std::string path = "/api/backends/p/h:1/disable";
    const std::string json = json_type;
    CHECK(fixture.post_with(path, json + "Host: a\r\n").status() == 403);
    Fixture guarded;
    const std::string token = token_field;
    CHECK(guarded.post_with(path, token).status() == 415);
    CHECK(guarded.post_with(path, token + "Content-Type: text/plain\r\n").status() == 415);
    CHECK(guarded.post_with(path, token + json + "Origin: http://b\r\n").status() == 403);
    CHECK(guarded.post_with(path, token + json + "Sec-Fetch-Site: cross-site\r\n").status() == 403);
    CHECK(fixture.commands.empty());
    CHECK(guarded.commands.empty());
    CHECK(guarded.post_with(path, token + json + "Host: a\r\nOrigin: http://a\r\n").status() == 200);
  }

  TEST_CASE("commands want the token before anything else") {
    Fixture fixture;
    const std::string path = "/api/backends/p/h:1/disable";
    for (const char* fields : {"", json_type, "Authorization: Bearer wrong\r\n"}) {
      CHECK(fixture.post_with(path, fields).status() == 401);
      CHECK(fixture.post_with("/api/reload", fields).status() == 401);
    }
    CHECK(fixture.commands.empty());
  }

  TEST_CASE("a reload says what has changed, or each key that was refused") {
    Fixture fixture;
    fixture.reloaded = {ReloadAnswer::Outcome::done, "reloaded", {"pools[0].backends"}};
    auto done = fixture.post("/api/reload");
    CHECK(done.status() == 200);
    CHECK(parsed(done)["data"]["changed"][0] == "pools[0].backends");
    fixture.reloaded = {ReloadAnswer::Outcome::refused, "needs a restart", {"listeners"}};
    auto refused = fixture.post("/api/reload");
    CHECK(refused.status() == 409);
    CHECK(parsed(refused)["success"] == false);
    CHECK(parsed(refused)["keys"][0] == "listeners");
    fixture.reloaded = {ReloadAnswer::Outcome::invalid, "a.yaml:1:2: no", {}};
    auto invalid = fixture.post("/api/reload");
    CHECK(invalid.status() == 422);
    CHECK(parsed(invalid)["message"] == "a.yaml:1:2: no");
  }

  TEST_CASE("a backend of several pools is one node") {
    Fixture fixture;
    fixture.pools[0].backends[1].state = BackendState::draining;
    fixture.pools[1].backends[0].last_heartbeat_millis = 500;
    auto nodes = fixture.get("/api/cluster/nodes");
    CHECK(nodes.status() == 200);
    const auto body = parsed(nodes);
    CHECK(body["success"] == true);
    REQUIRE(body["data"].size() == 2);
    const auto expected = nlohmann::json::parse(R"({
      "id": "h:1", "name": "h:1", "url": "http://h:1", "pools": ["p", "q"], "weight": 1,
      "status": "active", "sessions": 24})");
    CHECK(body["data"][0] == expected);
    CHECK(body["data"][1]["status"] == "draining");
    auto active = fixture.get("/api/cluster/nodes?active=true");
    CHECK(parsed(active)["data"].size() == 1);
    fixture.pools[0].backends[0].state = BackendState::ejected;
    auto replicas = fixture.get("/api/cluster/servers/p/replicas");
    REQUIRE(parsed(replicas)["data"].size() == 2);
    CHECK(parsed(replicas)["data"][0]["status"] == "unhealthy");
    auto heard = fixture.get("/api/cluster/servers/q/replicas");
    CHECK(parsed(heard)["data"][0]["lastHeartbeat"].is_number_integer());
    auto none = fixture.get("/api/cluster/servers/x/replicas");
    CHECK(none.status() == 404);
    CHECK(none.has_sent("there is no pool x: there are p, q"));
  }
}

}  // namespace
}  // namespace mcplb::admin
