#include "mcplb/cluster/pool.hpp"

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/backends.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

PoolSettings three_backends() {
  PoolSettings settings;
  for (const char* const id : {"a", "b", "c"}) {
    BackendSettings backend;
    backend.id = id;
    backend.host = "127.0.0.1";
    settings.backends.push_back(backend);
  }
  return settings;
}

struct Dispatching {
  explicit Dispatching(const PoolSettings& settings) : pool(settings, registry) {}

  net::Loop loop{limits::buffer_block_bytes};
  net::Resolver resolver{loop};
  Registry registry;
  http::Settings http;
  Pool pool;
  Dispatcher dispatcher{loop, resolver, pool, http};

  Backend& backend(std::size_t index) { return *pool.view()->backends[index]; }
  std::string ranked() { return test::names(dispatcher.rank(0)); }
  Deadline soon() { return loop.timers().in(milliseconds(5000)); }
};

net::ListenerSettings any_port() {
  net::ListenerSettings listener;
  listener.address = "127.0.0.1:0";
  return listener;
}

}  // namespace

TEST_SUITE("cluster/pool") {
  TEST_CASE("knows its backends by name and by id") {
    Registry registry;
    const Pool pool(three_backends(), registry);
    PoolSettings other_settings = three_backends();
    other_settings.name = "other";
    const Pool other(other_settings, registry);
    const auto view = pool.view();
    REQUIRE(view->find("b") != nullptr);
    CHECK(view->find("b")->name() == "b");
    CHECK(view->find("B") == nullptr);
    CHECK(view->find("") == nullptr);
    CHECK(view->find(view->find("c")->id()) == view->find("c"));
    CHECK(view->find(other.view()->find("c")->id()) == nullptr);
    CHECK(view->find(BackendId::none) == nullptr);
  }

  TEST_CASE("counts who is healthy") {
    Registry registry;
    const Pool pool(three_backends(), registry);
    const auto view = pool.view();
    CHECK(view->healthy_count() == 3);
    view->backends[1]->set_healthy(false);
    CHECK(view->healthy_count() == 2);
  }
}

TEST_SUITE("cluster/dispatcher") {
  TEST_CASE("ranks the healthy backends only") {
    Dispatching d(three_backends());
    d.backend(1).set_healthy(false);
    CHECK(d.ranked() == "ac");
    d.backend(1).set_healthy(true);
    CHECK(d.ranked().size() == 3);
  }

  TEST_CASE("ranks nobody that is drained or disabled") {
    Dispatching d(three_backends());
    d.backend(0).set_mode(Mode::draining);
    CHECK(d.ranked().size() == 2);
    d.backend(1).set_mode(Mode::disabled);
    CHECK(d.ranked() == "c");
    d.backend(2).set_mode(Mode::disabled);
    CHECK(d.ranked().empty());
  }

  TEST_CASE("follows its pool's members, weights and policy") {
    Dispatching d(three_backends());
    PoolView view = *d.pool.view();
    view.backends.erase(view.backends.begin());
    view.settings.balance = Balance::least_connections;
    BackendSettings fourth = view.settings.backends[0];
    fourth.id = "d";
    fourth.weight = 100;
    view.backends.push_back(d.registry.add("pool", fourth));
    d.pool.set_view(std::move(view));
    CHECK(d.dispatcher.view().backends.size() == 3);
    CHECK(d.ranked().find('a') == std::string::npos);
    CHECK(d.ranked().find('d') != std::string::npos);
  }

  TEST_CASE("leaves out who refused lately, while others are usable") {
    Dispatching d(three_backends());
    d.backend(0).note_refused(d.loop.now());
    CHECK(d.ranked() == "bc");
    d.backend(1).set_healthy(false);
    CHECK(d.ranked() == "c");
  }

  TEST_CASE("falls back on the healthy ones that refused lately") {
    Dispatching d(three_backends());
    d.backend(0).note_refused(d.loop.now());
    d.backend(1).set_healthy(false);
    d.backend(2).note_refused(d.loop.now());
    const std::string ranked = d.ranked();
    CHECK((ranked == "ac" || ranked == "ca"));
  }

  TEST_CASE("leaves out who is ejected, and asks who refused lately before them") {
    PoolSettings settings = three_backends();
    settings.health.passive = {1, milliseconds(60'000), 100};
    Dispatching d(settings);
    d.dispatcher.report(d.backend(0), Served::bad_gateway);
    const std::string others = d.ranked();
    CHECK((others == "bc" || others == "cb"));
    d.backend(1).note_refused(d.loop.now());
    d.backend(2).note_refused(d.loop.now());
    const std::string refusing = d.ranked();
    CHECK((refusing == "bc" || refusing == "cb"));
    d.backend(1).set_healthy(false);
    d.backend(2).set_healthy(false);
    CHECK(d.ranked() == "a");
    d.backend(0).set_healthy(false);
    CHECK(d.ranked().empty());
  }

  TEST_CASE("a reported success readmits an ejected backend") {
    PoolSettings settings = three_backends();
    settings.health.passive = {1, milliseconds(60'000), 100};
    Dispatching d(settings);
    d.dispatcher.report(d.backend(0), Served::connect_failed);
    CHECK(d.ranked().size() == 2);
    d.dispatcher.report(d.backend(0), Served::good);
    CHECK(d.ranked().size() == 3);
  }

  TEST_CASE("ranking steps the slow start of the candidates") {
    Dispatching d(three_backends());
    const TimePoint long_ago = d.loop.now() - 50'000;
    d.backend(0).health().warmth.begin(long_ago, milliseconds(1000));
    CHECK(d.backend(0).share() == 1);
    d.ranked();
    CHECK(d.backend(0).share() == 10);
  }

  TEST_CASE("ranks nobody when nobody is healthy") {
    Dispatching d(three_backends());
    for (std::size_t i = 0; i < 3; ++i)
      d.backend(i).set_healthy(false);
    CHECK(d.ranked().empty());
  }

  TEST_CASE("a backend that refuses is marked") {
    PoolSettings settings = three_backends();
    Dispatching d(settings);
    // A port that was free a moment ago.
    auto acceptor = net::Acceptor::listen(d.loop, any_port(), [](auto) {});
    REQUIRE(acceptor);
    settings.name = "refusing";
    settings.backends.resize(1);
    settings.backends[0].port = (*acceptor)->local_address().port();
    acceptor = std::unique_ptr<net::Acceptor>();
    Pool pool(settings, d.registry);
    Dispatcher dispatcher(d.loop, d.resolver, pool, d.http);
    Backend& backend = *pool.view()->find("a");

    const auto lease = test::run_on(d.loop, dispatcher.connect(backend, d.soon()));
    REQUIRE_FALSE(lease);
    CHECK(lease.error().kind == Error::Kind::refused);
    CHECK(lease.error().side == Error::Side::backend);
    CHECK(backend.refused_lately(d.loop.now()));
  }

  TEST_CASE("a new connection clears the mark, and can be kept, taken and closed") {
    PoolSettings settings = three_backends();
    Dispatching d(settings);
    std::vector<std::unique_ptr<net::Stream>> accepted;
    auto acceptor =
        net::Acceptor::listen(d.loop, any_port(), [&](net::Acceptor::Accepted connection) {
          accepted.push_back(*net::adopt_socket(d.loop, connection.fd, connection.peer));
        });
    REQUIRE(acceptor);
    settings.name = "listening";
    settings.backends.resize(1);
    settings.backends[0].port = (*acceptor)->local_address().port();
    Pool pool(settings, d.registry);
    Dispatcher dispatcher(d.loop, d.resolver, pool, d.http);
    Backend& backend = *pool.view()->find("a");
    backend.note_refused(d.loop.now());

    auto lease = test::run_on(d.loop, dispatcher.connect(backend, d.soon()));
    REQUIRE(lease);
    CHECK_FALSE((*lease)->reused);
    CHECK_FALSE(backend.refused_lately(d.loop.now()));
    CHECK_FALSE(dispatcher.take_idle(backend));
    lease->keep();
    Lease again = dispatcher.take_idle(backend);
    REQUIRE(again);
    CHECK(again->reused);
    again.keep();
    dispatcher.close_idle();
    CHECK_FALSE(dispatcher.take_idle(backend));
  }
}
