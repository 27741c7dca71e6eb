#include "discovery.hpp"

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/dns_server.hpp"
#include "support/run_task.hpp"

using namespace mcplb;

namespace {

cluster::DnsSettings named(const std::string& host, std::uint16_t port) {
  cluster::DnsSettings settings;
  settings.host = host;
  settings.port = port;
  settings.refresh = milliseconds(20);
  return settings;
}

cluster::PoolSettings empty_pool() {
  cluster::PoolSettings settings;
  settings.name = "default";
  return settings;
}

// One pool without backends of its own.
struct World {
  World() { membership.add(pool); }

  // The active members, in their order.
  std::string members() const {
    std::string out;
    for (const cluster::Backend* backend : pool.view()->backends) {
      if (backend->mode() != cluster::Mode::active) continue;
      out += (out.empty() ? "" : " ") + backend->name();
    }
    return out;
  }
  void until_members_are(const std::string& expected) {
    test::run_on(loop, wait_for(*this, expected));
    CHECK(members() == expected);
  }
  static Task<void> wait_for(World& w, std::string expected) {
    const Deadline deadline = w.loop.timers().in(milliseconds(5000));
    while (w.members() != expected && !deadline.passed(w.loop.now())) {
      const Deadline next = w.loop.timers().in(milliseconds(5));
      co_await w.loop.timers().sleep(next);
    }
  }

  net::Loop loop{limits::buffer_block_bytes};
  test::DnsServer server{loop};
  cluster::Registry registry;
  cluster::Pool pool{empty_pool(), registry};
  cluster::Membership membership{registry, {}};
};

}  // namespace

TEST_SUITE("discovery") {
  TEST_CASE("the addresses behind a name become members of its pool, and leave with it") {
    World w;
    w.server.zone["mcp.test"] = {test::a("10.0.0.1"), test::a("10.0.0.2")};
    w.server.zone["other.test"] = {test::a("10.0.0.9")};
    auto nursery = std::make_unique<Nursery>(w.loop);
    Discovery discovery(w.loop, {{w.server.address()}}, w.membership, *nursery);
    discovery.follow("default", {named("mcp.test", 3000)});
    w.until_members_are("10.0.0.1:3000 10.0.0.2:3000");
    w.server.zone["mcp.test"] = {test::a("10.0.0.2")};
    w.until_members_are("10.0.0.2:3000");

    // As after a reload: one name stays, one is new, then only that one is left.
    discovery.follow("default", {named("mcp.test", 3000), named("other.test", 3000)});
    w.until_members_are("10.0.0.2:3000 10.0.0.9:3000");
    discovery.follow("default", {named("other.test", 3000)});
    CHECK(w.members() == "10.0.0.9:3000");
    discovery.follow("default", {named("other.test", 3001)});
    w.until_members_are("10.0.0.9:3001");
    discovery.follow("default", {});
    CHECK(w.members().empty());
    w.until_members_are("");
    nursery.reset();
  }

  TEST_CASE("a name with other settings keeps its backends until DNS has answered anew") {
    World w;
    w.server.zone["mcp.test"] = {test::a("10.0.0.1")};
    auto nursery = std::make_unique<Nursery>(w.loop);
    Discovery discovery(w.loop, {{w.server.address()}}, w.membership, *nursery);
    discovery.follow("default", {named("mcp.test", 3000)});
    w.until_members_are("10.0.0.1:3000");
    cluster::DnsSettings heavier = named("mcp.test", 3000);
    heavier.weight = 9;
    discovery.follow("default", {heavier});
    CHECK(w.members() == "10.0.0.1:3000");
    const cluster::Backend& backend = *w.pool.view()->find("10.0.0.1:3000");
    const auto wait = [](net::Loop& loop, const cluster::Backend& one) -> Task<void> {
      const Deadline deadline = loop.timers().in(milliseconds(5000));
      while (one.weight() != 9 && !deadline.passed(loop.now())) {
        const Deadline next = loop.timers().in(milliseconds(5));
        co_await loop.timers().sleep(next);
      }
    };
    test::run_on(w.loop, wait(w.loop, backend));
    CHECK(backend.weight() == 9);
    nursery.reset();
  }
}
