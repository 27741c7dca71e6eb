#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "mcplb/admin/admin.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/cluster/registration.hpp"

#include "unit/demo/asked.hpp"

namespace mcplb::admin {
namespace {

constexpr const char* fields =
    "Authorization: Bearer secret\r\nContent-Type: application/json\r\n";

struct Fixture {
  net::Loop loop{limits::buffer_block_bytes};
  cluster::Registration registration{{}, links(), loop.timers(), nullptr};
  bool enabled = true;
  std::size_t backends = 0;
  Admin admin{Settings{"", "secret"}, view()};

  cluster::Registration::Links links() {
    cluster::Registration::Links made;
    made.pools = [] { return std::vector<std::string>{"p"}; };
    made.read = [](const std::string&, std::string&, cluster::BackendSettings&) {
      return std::string();
    };
    made.taken = [](const std::string&, const std::string& id) { return id == "taken"; };
    made.on_change = [this](const std::string&, const std::vector<cluster::BackendSettings>& all) {
      backends = all.size();
    };
    made.on_silent = [](const std::string&, const std::string&, bool) {};
    return made;
  }
  View view() {
    View made;
    made.registration = [this] { return enabled ? &registration : nullptr; };
    return made;
  }
  test::Asked ask(const std::string& line, const std::string& body = "") {
    return test::Asked(loop, admin, line + " HTTP/1.1\r\n" + fields, body);
  }
  test::Asked announce(const std::string& body) { return ask("POST /api/cluster/nodes", body); }
};

TEST_SUITE("admin/nodes") {
  TEST_CASE("a node registers, is heard of, and leaves") {
    Fixture fixture;
    auto added = fixture.announce(
        R"({"id": "a", "name": "A", "url": "http://h:1", "pools": ["p"], "weight": 2})");
    CHECK(added.status() == 201);
    CHECK(added.has_sent(R"({"success":true,"data":{"id":"a","node_timeout_ms":15000}})"));
    CHECK(fixture.backends == 1);
    CHECK(fixture.registration.nodes()[0].node.weight == 2);
    CHECK(fixture.announce(R"({"id": "a", "url": "http://h:1"})").status() == 200);
    CHECK(fixture.ask("POST /api/cluster/nodes/a/heartbeat").status() == 200);
    CHECK(fixture.ask("DELETE /api/cluster/nodes/%61").status() == 200);
    CHECK(fixture.backends == 0);
    auto unknown = fixture.ask("POST /api/cluster/nodes/a/heartbeat");
    CHECK(unknown.status() == 404);
    CHECK(unknown.has_sent("register again"));
    CHECK(fixture.ask("DELETE /api/cluster/nodes/a").status() == 404);
  }

  TEST_CASE("a body that is no node is refused with what is wrong") {
    Fixture fixture;
    const auto refused = [&fixture](const char* body, const char* why) {
      CAPTURE(body);
      auto answer = fixture.announce(body);
      CHECK(answer.status() == 400);
      CHECK(answer.has_sent(why));
    };
    refused("", "the body is a JSON object");
    refused("[]", "the body is a JSON object");
    refused("{", "the body is a JSON object");
    refused("{}", "id is missing");
    refused(R"({"id": "a"})", "url is missing");
    refused(R"({"id": 7, "url": "http://h"})", "id is a string");
    refused(R"({"id": "", "url": "http://h"})", "id must not be empty");
    refused(R"({"id": "a", "url": "http://h", "pools": "p"})", "pools is a list of names");
    refused(R"({"id": "a", "url": "http://h", "pools": [1]})", "pools is a list of names");
    refused(R"({"id": "a", "url": "http://h", "pool": "p"})", "nothing else");
    for (const char* weight : {"0", "101", "-1", "1.5", "\"1\"", "4294967297"}) {
      const std::string body = R"({"id": "a", "url": "http://h", "weight": )" +
                               std::string(weight) + "}";
      refused(body.c_str(), "weight is a number from 1 to 100");
    }
    CHECK(fixture.backends == 0);
  }

  TEST_CASE("an unknown pool is 404, and the id of another backend 409") {
    Fixture fixture;
    auto unknown = fixture.announce(R"({"id": "a", "url": "http://h", "pools": ["x"]})");
    CHECK(unknown.status() == 404);
    CHECK(unknown.has_sent("there is no pool x: there are p"));
    CHECK(fixture.announce(R"({"id": "taken", "url": "http://h"})").status() == 409);
  }

  TEST_CASE("while registration is off, each of these says how to switch it on") {
    Fixture fixture;
    fixture.enabled = false;
    for (const char* line : {"POST /api/cluster/nodes", "POST /api/cluster/nodes/a/heartbeat",
                             "DELETE /api/cluster/nodes/a"}) {
      auto off = fixture.ask(line, "{}");
      CHECK(off.status() == 403);
      CHECK(off.has_sent("registration.enabled: true"));
    }
  }

  TEST_CASE("a node without the token is not heard") {
    Fixture fixture;
    test::Asked asked(fixture.loop, fixture.admin,
                      "POST /api/cluster/nodes HTTP/1.1\r\nContent-Type: application/json\r\n",
                      R"({"id": "a", "url": "http://h"})");
    CHECK(asked.status() == 401);
    CHECK(fixture.registration.nodes().empty());
  }
}

}  // namespace
}  // namespace mcplb::admin
