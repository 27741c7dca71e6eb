// The DNS client against a server on loopback.
#include "mcplb/net/dns.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/net/tcp.hpp"

#include "support/dns_server.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using test::a;
using test::aaaa;
using test::DnsQuestion;
using test::srv;
using Rcode = test::DnsServer::Rcode;

namespace {

struct World {
  net::Loop loop{limits::buffer_block_bytes};
  test::DnsServer server{loop};
  net::DnsClient client{loop, {{server.address()}}};

  Deadline soon() { return loop.timers().in(milliseconds(5000)); }
  Result<net::DnsAnswer> addresses(const std::string& name) {
    return test::run_on(loop, client.addresses(name, soon()));
  }
  Result<net::DnsAnswer> services(const std::string& name) {
    return test::run_on(loop, client.services(name, soon()));
  }
  // Every answer to questions of this type has this code.
  void refuse(std::uint16_t type, Rcode rcode) {
    server.answer = [this, type, rcode](const DnsQuestion& question) {
      if (question.type != type) return server.usual_answer(question);
      return test::DnsServer::reply(question, rcode, {});
    };
  }
};

std::string text_of(const Result<net::DnsAnswer>& answer) {
  if (!answer) return std::string("error: ") + to_string(answer.error().kind);
  std::string out;
  for (const net::DnsEndpoint& endpoint : answer->endpoints) {
    if (!out.empty()) out += ' ';
    out += endpoint.address.text() + '*' + std::to_string(endpoint.weight);
  }
  return out;
}

}  // namespace

TEST_SUITE("net/dns") {
  TEST_CASE("a name has its IPv4 and its IPv6 addresses, whatever its case") {
    World w;
    w.server.zone["mcp.test"] = {aaaa("2001:db8::1"), a("10.0.0.2"), a("10.0.0.1")};
    const auto answer = w.addresses("MCP.test");
    CHECK(text_of(answer) == "10.0.0.2:0*0 10.0.0.1:0*0 [2001:db8::1]:0*0");
    CHECK(answer->v4_known);
    CHECK(answer->v6_known);
  }

  TEST_CASE("a name that does not exist, or has no addresses, is an answer without any") {
    World w;
    w.server.zone["empty.test"] = {};
    for (const char* const name : {"none.test", "empty.test"}) {
      CAPTURE(name);
      const auto answer = w.addresses(name);
      CHECK(text_of(answer) == "");
      CHECK(answer->v4_known);
      CHECK(answer->v6_known);
    }
    CHECK(text_of(w.services("_http._tcp.none.test")) == "");
    CHECK(text_of(w.services("empty.test")) == "");
  }

  TEST_CASE("a server that fails or refuses is no answer") {
    for (const Rcode rcode : {Rcode::failed, Rcode::refused}) {
      World w;
      w.server.answer = [rcode](const DnsQuestion& question) {
        return test::DnsServer::reply(question, rcode, {});
      };
      CHECK(text_of(w.addresses("mcp.test")) == "error: unreachable");
      CHECK(text_of(w.services("_http._tcp.mcp.test")) == "error: unreachable");
    }
  }

  TEST_CASE("when one family is not answered, the other one counts, and it is told which") {
    World w;
    w.server.zone["mcp.test"] = {a("10.0.0.1"), aaaa("2001:db8::1")};
    w.refuse(test::type_aaaa, Rcode::failed);
    auto answer = w.addresses("mcp.test");
    CHECK(text_of(answer) == "10.0.0.1:0*0");
    CHECK(answer->v4_known);
    CHECK_FALSE(answer->v6_known);
    w.refuse(test::type_a, Rcode::failed);
    answer = w.addresses("mcp.test");
    CHECK(text_of(answer) == "[2001:db8::1]:0*0");
    CHECK_FALSE(answer->v4_known);
    CHECK(answer->v6_known);
  }

  TEST_CASE("half an answer without addresses is none, unless the name does not exist") {
    World w;
    w.server.zone["empty.test"] = {};
    w.refuse(test::type_aaaa, Rcode::failed);
    CHECK(text_of(w.addresses("empty.test")) == "error: unreachable");
    const auto unknown = w.addresses("none.test");
    CHECK(text_of(unknown) == "");
    CHECK(unknown->v6_known);
  }

  TEST_CASE("a silent server costs no more than the deadline") {
    World w;
    w.server.answer = [](const DnsQuestion&) { return std::string(); };
    const Deadline short_time = w.loop.timers().in(milliseconds(200));
    const auto answer = test::run_on(w.loop, w.client.addresses("mcp.test", short_time));
    CHECK(text_of(answer) == "error: timeout");
    CHECK(w.server.asked(test::type_a) == 1);
  }

  TEST_CASE("the next server is asked when one is silent, fails, or is not there") {
    World w;
    test::DnsServer other(w.loop);
    other.zone["mcp.test"] = {a("10.0.0.1")};
    SUBCASE("silent") {
      w.server.answer = [](const DnsQuestion&) { return std::string(); };
    }
    SUBCASE("failing") {
      w.server.answer = [](const DnsQuestion& question) {
        return test::DnsServer::reply(question, Rcode::failed, {});
      };
    }
    std::vector<std::string> servers{w.server.address(), other.address()};
    SUBCASE("not there") {
      const auto gone = std::make_unique<test::DnsServer>(w.loop);
      servers[0] = gone->address();
    }
    net::DnsClient client(w.loop, {servers});
    const auto answer = test::run_on(w.loop, client.addresses("mcp.test", w.soon()));
    CHECK(text_of(answer) == "10.0.0.1:0*0");
  }

  TEST_CASE("an answer too big for a datagram comes over TCP") {
    World w;
    std::string expected;
    for (int i = 1; i <= 200; ++i) {
      const std::string address = "10.0.0." + std::to_string(i);
      w.server.zone["mcp.test"].push_back(a(address));
      expected += (i > 1 ? " " : "") + address + ":0*0";
    }
    w.server.answer = [&w](const DnsQuestion& question) {
      if (question.type != test::type_a) return w.server.usual_answer(question);
      return test::DnsServer::reply(question, Rcode::ok, {}, test::DnsServer::truncated);
    };
    CHECK(text_of(w.addresses("mcp.test")) == expected);
  }

  TEST_CASE("of too many addresses always the same ones are taken, and the cut is counted") {
    World w;
    for (int i = 0; i < 300; ++i) {
      w.server.zone["mcp.test"].push_back(
          a("10.0." + std::to_string(i / 256) + '.' + std::to_string(i % 256)));
    }
    w.server.answer = [](const DnsQuestion& question) {
      return test::DnsServer::reply(question, Rcode::ok, {}, test::DnsServer::truncated);
    };
    const std::uint64_t cuts = limit_hits(Limit::dns_records);
    const auto first = w.addresses("mcp.test");
    REQUIRE(first);
    CHECK(first->endpoints.size() == limits::dns_records_max);
    CHECK(limit_hits(Limit::dns_records) == cuts + 1);
    std::reverse(w.server.zone["mcp.test"].begin(), w.server.zone["mcp.test"].end());
    CHECK(text_of(w.addresses("mcp.test")) == text_of(first));
  }

  TEST_CASE("an answer that breaks off is none, and one to another question is not heard") {
    World w;
    w.server.zone["mcp.test"] = {a("10.0.0.1"), a("10.0.0.2")};
    w.server.answer = [&w](const DnsQuestion& question) {
      const std::string whole = w.server.usual_answer(question);
      return whole.substr(0, whole.size() - 2);
    };
    CHECK(text_of(w.addresses("mcp.test")) == "error: unreachable");
    w.server.answer = [](const DnsQuestion& question) {
      DnsQuestion forged = question;
      forged.id[0] = static_cast<char>(forged.id[0] ^ 1);
      return test::DnsServer::reply(forged, Rcode::ok, {a("10.6.6.6")});
    };
    const Deadline short_time = w.loop.timers().in(milliseconds(200));
    const auto forged = test::run_on(w.loop, w.client.addresses("mcp.test", short_time));
    CHECK(text_of(forged) == "error: timeout");
    w.server.answer = [](const DnsQuestion& question) {
      return question.id + std::string(40, '\xff');
    };
    const Deadline another = w.loop.timers().in(milliseconds(200));
    CHECK_FALSE(test::run_on(w.loop, w.client.addresses("other.test", another)));
  }

  TEST_CASE("a service is the addresses of its targets, with port and weight of the records") {
    World w;
    w.server.zone["_http._tcp.mcp.test"] = {srv({1, 5, 3001, "one.test"}),
                                            srv({1, 0, 3002, "two.test"}),
                                            srv({2, 9, 3003, "later.test"})};
    w.server.zone["one.test"] = {a("10.0.0.1"), aaaa("2001:db8::1")};
    w.server.zone["two.test"] = {a("10.0.0.2")};
    w.server.zone["later.test"] = {a("10.0.0.3")};
    const auto answer = w.services("_http._tcp.mcp.test");
    REQUIRE(answer);
    std::vector<std::string> found;
    for (const net::DnsEndpoint& endpoint : answer->endpoints)
      found.push_back(endpoint.address.text() + '*' + std::to_string(endpoint.weight));
    std::sort(found.begin(), found.end());
    CHECK(found == std::vector<std::string>{"10.0.0.1:3001*5", "10.0.0.2:3002*0",
                                            "[2001:db8::1]:3001*5"});
  }

  TEST_CASE("a service with a target nobody answers for is not answered") {
    World w;
    w.server.zone["_http._tcp.mcp.test"] = {srv({1, 1, 3001, "one.test"}),
                                            srv({1, 1, 3002, "two.test"})};
    w.server.zone["one.test"] = {a("10.0.0.1")};
    w.server.answer = [&w](const DnsQuestion& question) {
      if (question.name != "two.test") return w.server.usual_answer(question);
      return test::DnsServer::reply(question, Rcode::failed, {});
    };
    CHECK(text_of(w.services("_http._tcp.mcp.test")) == "error: unreachable");
  }

  TEST_CASE("many targets are all looked up") {
    World w;
    for (int i = 0; i < 100; ++i) {
      const std::string name = "t" + std::to_string(i) + ".test";
      w.server.zone["_a.test"].push_back(srv({0, 1, 80, name}));
      w.server.zone[name] = {a("10.0.0." + std::to_string(i))};
    }
    w.server.answer = [&w](const DnsQuestion& question) {
      if (question.type != test::type_srv) return w.server.usual_answer(question);
      return test::DnsServer::reply(question, Rcode::ok, {}, test::DnsServer::truncated);
    };
    const auto answer = w.services("_a.test");
    REQUIRE(answer);
    CHECK(answer->endpoints.size() == 100);
  }

  TEST_CASE("who asks the same at the same time shares one query") {
    World w;
    w.server.zone["mcp.test"] = {a("10.0.0.1")};
    std::vector<test::Running<Result<net::DnsAnswer>>> asking;
    for (int i = 0; i < 50; ++i)
      asking.push_back(test::run(w.client.addresses("mcp.test", w.soon())));
    CHECK(text_of(w.addresses("mcp.test")) == "10.0.0.1:0*0");
    for (auto& each : asking) {
      REQUIRE(each.done());
      CHECK(text_of(each.result()) == "10.0.0.1:0*0");
    }
    CHECK(w.server.asked(test::type_a) == 1);
    CHECK(w.server.asked(test::type_aaaa) == 1);
  }

  TEST_CASE("one waiter's deadline or end is nothing to the others") {
    World w;
    w.server.zone["mcp.test"] = {a("10.0.0.1")};
    auto leaving = test::run(w.client.addresses("mcp.test", w.soon()));
    auto hasty = test::run(w.client.addresses("mcp.test", w.loop.timers().in(milliseconds(0))));
    auto staying = test::run(w.client.addresses("mcp.test", w.soon()));
    leaving.cancel();
    CHECK(text_of(w.addresses("mcp.test")) == "10.0.0.1:0*0");
    CHECK(staying.done());
    CHECK(hasty.done());
  }

  TEST_CASE("too many names at a time are refused, and counted") {
    World w;
    w.server.answer = [](const DnsQuestion&) { return std::string(); };
    std::vector<test::Running<Result<net::DnsAnswer>>> asking;
    for (std::size_t i = 0; i < limits::dns_queries_max; ++i) {
      const std::string name = "n" + std::to_string(i) + ".test";
      asking.push_back(test::run(w.client.addresses(name, w.soon())));
      REQUIRE_FALSE(asking.back().done());
    }
    const std::uint64_t hits = limit_hits(Limit::dns_queries);
    auto refused = test::run(w.client.addresses("one-more.test", w.soon()));
    REQUIRE(refused.done());
    CHECK(text_of(refused.result()) == "error: overloaded");
    CHECK(limit_hits(Limit::dns_queries) == hits + 1);
  }

  TEST_CASE("a client may die with questions under way, and a flow may end it from an answer") {
    World w;
    w.server.zone["mcp.test"] = {a("10.0.0.1")};
    {
      net::DnsClient dying(w.loop, {{w.server.address()}});
      auto asking = test::run(dying.addresses("mcp.test", w.soon()));
      auto services = test::run(dying.services("_a.mcp.test", w.soon()));
    }
    const net::ResolverSettings settings{{w.server.address()}};
    auto ended = std::make_unique<net::DnsClient>(w.loop, settings);
    struct Flow {
      static Task<void> run(std::unique_ptr<net::DnsClient>& client, Deadline deadline) {
        auto answer = co_await client->addresses("mcp.test", deadline);
        CHECK(text_of(answer) == "10.0.0.1:0*0");
        client.reset();
      }
    };
    test::run_on(w.loop, Flow::run(ended, w.soon()));
    CHECK(ended == nullptr);
    CHECK(text_of(w.addresses("mcp.test")) == "10.0.0.1:0*0");
  }

  TEST_CASE("after a failure the next question is answered") {
    World w;
    w.server.zone["mcp.test"] = {a("10.0.0.1")};
    w.refuse(test::type_a, Rcode::failed);
    CHECK_FALSE(w.addresses("mcp.test"));
    w.server.answer = {};
    CHECK(text_of(w.addresses("mcp.test")) == "10.0.0.1:0*0");
  }

  TEST_CASE("localhost needs no server") {
    World w;
    w.server.answer = [](const DnsQuestion&) { return std::string(); };
    const auto answer = w.addresses("localhost");
    REQUIRE(answer);
    REQUIRE_FALSE(answer->endpoints.empty());
    for (const net::DnsEndpoint& endpoint : answer->endpoints) {
      const std::string ip = endpoint.address.ip_text();
      CHECK((ip == "::1" || ip.starts_with("127.")));
    }
    CHECK(w.server.asked(test::type_a) == 0);
  }

  TEST_CASE("the resolver asks the servers of its settings, keeps the answer, and adds the port") {
    World w;
    w.server.zone["mcp.test"] = {a("10.0.0.1"), a("10.0.0.2")};
    net::Resolver resolver(w.loop, {{w.server.address()}});
    for (const std::uint16_t port : {std::uint16_t{80}, std::uint16_t{81}}) {
      const auto found = test::run_on(w.loop, resolver.resolve("mcp.test", port, w.soon()));
      REQUIRE(found);
      REQUIRE(found->size() == 2);
      CHECK(found->at(0).text() == "10.0.0.1:" + std::to_string(port));
    }
    CHECK(w.server.asked(test::type_a) == 1);
    const auto literal = test::run_on(w.loop, resolver.resolve("::1", 80, w.soon()));
    REQUIRE(literal);
    const auto none = test::run_on(w.loop, resolver.resolve("none.test", 80, w.soon()));
    REQUIRE_FALSE(none);
    CHECK(none.error().kind == Error::Kind::unreachable);
    CHECK(none.error().side == Error::Side::backend);
  }
}
