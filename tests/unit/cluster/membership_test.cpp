#include "mcplb/cluster/membership.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

BackendSettings at(const std::string& id, std::uint16_t port = 80) {
  BackendSettings settings;
  settings.id = id;
  settings.host = "127.0.0.1";
  settings.port = port;
  return settings;
}

PoolSettings with(std::initializer_list<const char*> ids) {
  PoolSettings settings;
  for (const char* const id : ids) settings.backends.push_back(at(id));
  return settings;
}

struct Keeping {
  explicit Keeping(std::initializer_list<const char*> ids) : pool(with(ids), registry) {
    membership.add(pool);
  }

  std::string members() const { return test::names(pool.view()->backends); }
  Backend& backend(std::string_view name) const { return *pool.view()->find(name); }

  Registry registry;
  Pool pool;
  int changes = 0;
  bool usable = true;
  Membership membership{registry,
                        {.prepare = [this](Backend&) { return usable; },
                         .changed = [this](Pool&) { ++changes; }}};
};

}  // namespace

TEST_SUITE("cluster/membership") {
  TEST_CASE("a pool has the backends of all sources, those named twice once") {
    Keeping k({"a", "b"});
    k.membership.set_source("default", "dns", {at("b"), at("c")});
    CHECK(k.members() == "abc");
    CHECK(k.changes == 1);
    k.membership.set_source("default", "nodes", {at("d")});
    CHECK(k.members() == "abcd");
  }

  TEST_CASE("who is not named any more drains, and leaves when it is let go") {
    Keeping k({"a", "b"});
    k.membership.set_source("default", "file", {at("a")});
    CHECK(k.members() == "ab");
    CHECK(k.backend("b").mode() == Mode::draining);
    const auto draining = k.membership.draining("default");
    REQUIRE(draining.size() == 1);
    CHECK(draining[0].removed);
    k.membership.let_go("default", k.backend("b"));
    CHECK(k.members() == "a");
    CHECK(k.membership.draining("default").empty());
  }

  TEST_CASE("who is named again while it drains is active again") {
    Keeping k({"a", "b"});
    Backend& b = k.backend("b");
    k.membership.set_source("default", "file", {at("a")});
    k.membership.set_source("default", "file", {at("a"), at("b")});
    CHECK(b.mode() == Mode::active);
    CHECK(&k.backend("b") == &b);
    CHECK(k.membership.draining("default").empty());
  }

  TEST_CASE("a drain by command outlasts that its source names it again") {
    Keeping k({"a", "b"});
    CHECK(k.membership.set_mode("default", "b", Mode::draining) == &k.backend("b"));
    k.membership.set_source("default", "file", {at("a"), at("b")});
    CHECK(k.backend("b").mode() == Mode::draining);
    const auto draining = k.membership.draining("default");
    REQUIRE(draining.size() == 1);
    CHECK_FALSE(draining[0].removed);
    k.membership.set_mode("default", "b", Mode::active);
    CHECK(k.backend("b").mode() == Mode::active);
    CHECK(k.membership.draining("default").empty());
  }

  TEST_CASE("who comes back is as the operator wanted it before it left") {
    for (const Mode mode : {Mode::draining, Mode::disabled}) {
      Keeping k({"a", "b"});
      k.membership.set_mode("default", "b", mode);
      k.membership.set_source("default", "file", {at("a")});
      CHECK(k.backend("b").mode() == Mode::draining);
      k.membership.set_source("default", "file", {at("a"), at("b")});
      CHECK(k.backend("b").mode() == mode);
      CHECK(k.membership.draining("default").size() == (mode == Mode::draining ? 1U : 0U));
    }
  }

  TEST_CASE("who is named no more cannot be activated, and leaves") {
    Keeping k({"a", "b"});
    k.membership.set_source("default", "file", {at("a")});
    CHECK(k.membership.set_mode("default", "b", Mode::active) == &k.backend("b"));
    CHECK(k.backend("b").mode() == Mode::draining);
    REQUIRE(k.membership.draining("default").size() == 1);
    CHECK(k.membership.draining("default")[0].removed);
  }

  TEST_CASE("the same name at another address is another backend, and means that one at once") {
    Keeping k({"a", "b"});
    Backend& before = k.backend("b");
    k.membership.set_source("default", "file", {at("a"), at("b", 81)});
    CHECK(k.members() == "abb");
    CHECK(&k.backend("b") != &before);
    CHECK(k.backend("b").port() == 81);
    CHECK(before.mode() == Mode::draining);
  }

  TEST_CASE("a new weight is taken over by the same backend") {
    Keeping k({"a"});
    Backend& a = k.backend("a");
    BackendSettings heavier = at("a");
    heavier.weight = 7;
    k.membership.set_source("default", "file", {heavier});
    CHECK(&k.backend("a") == &a);
    CHECK(a.weight() == 7);
  }

  TEST_CASE("who cannot be met does not become a member") {
    Keeping k({"a"});
    k.usable = false;
    k.membership.set_source("default", "dns", {at("b")});
    CHECK(k.members() == "a");
  }

  TEST_CASE("knows no backend of another name or pool") {
    Keeping k({"a"});
    CHECK(k.membership.set_mode("default", "x", Mode::draining) == nullptr);
    CHECK(k.membership.set_mode("other", "a", Mode::draining) == nullptr);
  }
}
