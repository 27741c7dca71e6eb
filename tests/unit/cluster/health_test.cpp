#include "mcplb/cluster/health.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "cluster/health_count.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

// Feeds outcomes, + or -, and returns what is believed after each: U(p) or D(own).
std::string believed(HealthCount count, const char* outcomes, int rise, int fall) {
  std::string text;
  for (const char* at = outcomes; *at != '\0'; ++at) {
    const bool before = count.healthy;
    const bool changed = count.note(*at == '+', rise, fall);
    CHECK(changed == (count.healthy != before));
    text += count.healthy ? 'U' : 'D';
  }
  return text;
}

HealthSettings quick() {
  HealthSettings health;
  health.interval = milliseconds(20);
  health.timeout = milliseconds(500);
  return health;
}

Task<void> until_healthy_is(net::Loop& loop, const Backend& backend, bool healthy) {
  while (backend.healthy() != healthy) {
    co_await loop.timers().sleep(loop.timers().in(milliseconds(5)));
  }
}

}  // namespace

TEST_SUITE("cluster/health_count") {
  TEST_CASE("takes a backend out after `fall` bad checks in a row") {
    CHECK(believed({}, "---", 2, 3) == "UUD");
    CHECK(believed({}, "--+--+--", 2, 3) == "UUUUUUUU");
    CHECK(believed({}, "-", 2, 1) == "D");
  }

  TEST_CASE("brings a backend back after `rise` good checks in a row") {
    HealthCount down;
    down.healthy = false;
    CHECK(believed(down, "++", 2, 3) == "DU");
    CHECK(believed(down, "+-+-+", 2, 3) == "DDDDD");
    CHECK(believed(down, "+", 1, 3) == "U");
  }

  TEST_CASE("counts anew after each change") {
    CHECK(believed({}, "---++---", 2, 3) == "UUDDUUUD");
  }
}

TEST_SUITE("cluster/health") {
  TEST_CASE("a backend goes down while nobody listens and comes up again") {
    net::Loop loop(limits::buffer_block_bytes);
    net::Resolver resolver(loop);
    Registry registry;
    const auto hang_up = [&](net::Acceptor::Accepted accepted) {
      REQUIRE(net::adopt_socket(loop, accepted.fd, accepted.peer));
    };
    net::ListenerSettings listener;
    listener.address = "127.0.0.1:0";
    auto acceptor = net::Acceptor::listen(loop, listener, hang_up);
    REQUIRE(acceptor);

    PoolSettings settings;
    settings.health = quick();
    BackendSettings backend;
    backend.id = "one";
    backend.host = "127.0.0.1";
    backend.port = (*acceptor)->local_address().port();
    settings.backends.push_back(backend);
    Pool pool(settings, registry);
    Backend& one = *pool.view()->find("one");
    listener.address = (*acceptor)->local_address().text();
    acceptor = std::unique_ptr<net::Acceptor>();

    Nursery nursery(loop);
    start_health_checks(nursery, loop, resolver, pool);
    CHECK(one.healthy());
    test::run_on(loop, until_healthy_is(loop, one, false));
    CHECK(pool.view()->healthy_count() == 0);
    acceptor = net::Acceptor::listen(loop, listener, hang_up);
    REQUIRE(acceptor);
    test::run_on(loop, until_healthy_is(loop, one, true));
    CHECK(pool.view()->healthy_count() == 1);
  }
}
