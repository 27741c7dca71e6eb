#include "mcplb/cluster/health.hpp"

#include <chrono>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "cluster/health_count.hpp"
#include "support/check_doors.hpp"
#include "support/manual_defer_queue.hpp"
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

PoolSettings pool_of(std::size_t count, const HealthSettings& health) {
  PoolSettings settings;
  settings.health = health;
  for (std::size_t i = 0; i < count; ++i) {
    BackendSettings backend;
    backend.id = std::string(1, static_cast<char>('a' + i));
    backend.host = "127.0.0.1";
    settings.backends.push_back(backend);
  }
  return settings;
}

HealthSettings every(milliseconds interval,
                     HealthSettings::Check check = HealthSettings::Check::tcp) {
  HealthSettings settings;
  settings.check = check;
  settings.interval = interval;
  return settings;
}

// A pool under the fake clock; what the owner hears is written down.
struct Watching {
  explicit Watching(std::size_t count, const HealthSettings& health)
      : pool(pool_of(count, health), registry) {
    const auto note = [this](const char* what) {
      return [this, what](Backend& backend) {
        heard += std::string(what) + backend.name() + (backend.healthy() ? "(up) " : "(down) ");
      };
    };
    auto made = std::make_unique<test::CheckDoors>(clock);
    doors = made.get();
    checks =
        std::make_unique<HealthChecks>(clock.timers(), turns, std::move(made), pool,
                                       HealthEvents{note("down:"), note("up:"), note("suspect:")});
  }

  void pass(milliseconds time) {
    // In steps, so that what a check writes arrives in between.
    for (milliseconds step(0); step < time; step += milliseconds(10)) {
      clock.advance(milliseconds(10));
      doors->pump();
      turns.run();
    }
  }
  Backend& operator[](const char* name) { return *pool.view()->find(name); }
  void set_settings(const HealthSettings& health) {
    PoolView view = *pool.view();
    view.settings.health = health;
    pool.set_view(std::move(view));
    checks->sync();
  }
  // Makes the backends with these names the members.
  void set_members(std::initializer_list<const char*> names) {
    PoolView view = *pool.view();
    view.backends.clear();
    for (const char* const name : names) {
      BackendSettings backend;
      backend.id = name;
      backend.host = "127.0.0.1";
      view.backends.push_back(registry.add("default", backend));
    }
    pool.set_view(std::move(view));
    checks->sync();
  }
  int connects(const char* name) { return doors->connects[name]; }

  test::FakeClock clock;
  test::ManualDeferQueue turns;
  Registry registry;
  Pool pool;
  std::string heard;
  test::CheckDoors* doors = nullptr;  // owned by the checks
  std::unique_ptr<HealthChecks> checks;
};

using seconds = std::chrono::seconds;

// Until the canary of the one backend is open.
void open_canary(Watching& w) {
  w.checks->sync();
  w.pass(milliseconds(1100));
  REQUIRE(w.doors->request().find("server/discover") != std::string::npos);
  w.doors->reply("400 Bad Request");
  const std::string initialize = w.doors->request();
  w.doors->reply("200 OK", test::result_for(initialize),
                 "Content-Type: application/json\r\nMcp-Session-Id: canary\r\n");
  REQUIRE(w.doors->request().find("notifications/initialized") != std::string::npos);
  w.doors->reply("202 Accepted");
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
    HealthChecks checks(loop, resolver, pool, {});
    checks.sync();
    CHECK(one.healthy());
    test::run_on(loop, until_healthy_is(loop, one, false));
    CHECK(pool.view()->healthy_count() == 0);
    acceptor = net::Acceptor::listen(loop, listener, hang_up);
    REQUIRE(acceptor);
    test::run_on(loop, until_healthy_is(loop, one, true));
    CHECK(pool.view()->healthy_count() == 1);
  }

  TEST_CASE("the first checks come within a quarter of the interval, the others follow it") {
    Watching w(3, every(seconds(40)));
    w.checks->sync();
    w.pass(seconds(10) + milliseconds(50));
    for (const char* const name : {"a", "b", "c"})
      CHECK(w.connects(name) == 1);
    w.pass(seconds(25));
    for (const char* const name : {"a", "b", "c"})
      CHECK(w.connects(name) == 1);
    w.pass(seconds(20));
    for (const char* const name : {"a", "b", "c"})
      CHECK(w.connects(name) == 2);
    CHECK(w.heard.empty());
  }

  TEST_CASE("backends that started together do not stay together") {
    Watching w(8, every(seconds(40)));
    w.checks->sync();
    std::set<TimePoint> times;
    for (int i = 0; i < 1100; ++i) {
      const auto before = w.doors->connects;
      w.pass(milliseconds(10));
      if (w.doors->connects != before) times.insert(w.clock.now());
    }
    CHECK(times.size() > 4);
  }

  TEST_CASE("`fall` bad checks take it out, and after the first the others follow sooner") {
    Watching w(2, every(seconds(40)));
    w.doors->refusing = {"a"};
    w.checks->sync();
    w.pass(seconds(33));
    CHECK(w.connects("a") == 3);
    CHECK(w.connects("b") == 1);
    CHECK(w.heard == "down:a(down) ");
    CHECK(w["b"].healthy());
    const HealthRecord record = w["a"].health().record();
    CHECK(record.down_since == record.checked_at);
    CHECK(record.check_text == "refused");
    CHECK_FALSE(record.check_good);
    CHECK(w["a"].health().checks_bad.value() == 3);
    CHECK(w["b"].health().checks_good.value() == 1);
  }

  TEST_CASE("when the last one is gone, the return of any is noticed within a second") {
    Watching w(2, every(seconds(40)));
    w.doors->refusing = {"a", "b"};
    w.checks->sync();
    w.pass(seconds(60));
    REQUIRE(w.pool.view()->healthy_count() == 0);
    w.doors->refusing = {"b"};
    w.pass(seconds(1));
    CHECK(w["a"].healthy());
    CHECK_FALSE(w["b"].healthy());
  }

  TEST_CASE("one that is down for long is hurried when it becomes the last hope") {
    Watching w(2, every(seconds(40)));
    w.doors->refusing = {"a"};
    w.checks->sync();
    w.pass(seconds(60));
    REQUIRE_FALSE(w["a"].healthy());
    w.doors->refusing = {"a", "b"};
    for (int i = 0; i < 10'000 && w["b"].healthy(); ++i)
      w.pass(milliseconds(10));
    REQUIRE_FALSE(w["b"].healthy());
    w.doors->refusing = {"b"};
    w.pass(seconds(1));
    CHECK(w["a"].healthy());
  }

  TEST_CASE("who comes up begins its slow start before it is usable") {
    HealthSettings settings = every(seconds(40));
    settings.slow_start = seconds(90);
    Watching w(1, settings);
    w.doors->refusing = {"a"};
    w.checks->sync();
    w.pass(seconds(60));
    CHECK(w["a"].share() == 10);
    w.doors->refusing.clear();
    w.pass(seconds(1));
    CHECK(w["a"].healthy());
    CHECK(w["a"].share() == 1);
  }

  TEST_CASE("who is down keeps the sessions that open there until a bad check begins") {
    HealthSettings settings = every(seconds(40));
    settings.rise = 9;
    Watching w(2, settings);
    w.doors->refusing = {"a"};
    w.checks->sync();
    w.pass(seconds(60));
    REQUIRE(w.heard == "down:a(down) ");
    CHECK_FALSE(w["a"].keeps_sessions());
    w.doors->refusing = {};
    w["a"].health().note_opened(w.clock.now());
    CHECK(w["a"].keeps_sessions());
    CHECK_FALSE(w["a"].usable());
    w.pass(seconds(12));
    REQUIRE_FALSE(w["a"].healthy());
    CHECK(w["a"].keeps_sessions());
    w.doors->refusing = {"a"};
    w.pass(seconds(45));
    CHECK_FALSE(w["a"].keeps_sessions());
  }

  TEST_CASE("a bad check that began before a session opened there says nothing of it") {
    BackendHealth health;
    CHECK_FALSE(health.opened_since_bad_check());
    health.note_opened(20);
    health.note_bad_check(20);
    CHECK(health.opened_since_bad_check());
    health.note_bad_check(21);
    CHECK_FALSE(health.opened_since_bad_check());
  }

  TEST_CASE("nobody starts slowly with the process") {
    HealthSettings settings = every(seconds(40));
    settings.slow_start = seconds(90);
    Watching w(1, settings);
    w.checks->sync();
    w.pass(seconds(12));
    CHECK(w["a"].share() == 10);
  }

  TEST_CASE("a good check readmits who is ejected") {
    HealthSettings settings = every(seconds(4));
    settings.passive = {1, seconds(600), 100};
    Watching w(1, settings);
    w.checks->sync();
    w.pass(seconds(2));
    w.pool.ejector().report(w["a"], Served::bad_gateway, *w.pool.view(), w.clock.now());
    CHECK(w["a"].ejected(w.clock.now()));
    w.pass(seconds(5));
    CHECK_FALSE(w["a"].ejected(w.clock.now()));
  }

  TEST_CASE("a check is given up at its timeout") {
    Watching w(2, every(seconds(4), HealthSettings::Check::http));
    w.checks->sync();
    w.pass(seconds(3) + milliseconds(100));
    CHECK(w["a"].health().checks_bad.value() == 1);
  }

  TEST_CASE("a canary that vanished is told as suspicion, and the backend stays up") {
    Watching w(1, every(seconds(4), HealthSettings::Check::mcp));
    open_canary(w);
    w.pass(seconds(5));
    REQUIRE(w.doors->request().find("\"ping\"") != std::string::npos);
    w.doors->reply("404 Not Found");
    const std::string discover = w.doors->request();
    w.doors->reply("200 OK", test::result_for(discover));
    CHECK(w.heard == "suspect:a(up) ");
    CHECK(w["a"].health().restarted_at() == w.clock.now());
    CHECK(w["a"].health().record().check_good);
  }

  TEST_CASE("new settings hold at once and what is believed stays") {
    Watching w(2, every(seconds(4000)));
    w.doors->refusing = {"a"};
    w.checks->sync();
    w.pass(seconds(4000));
    REQUIRE_FALSE(w["a"].healthy());
    const int before = w.connects("b");
    w.set_settings(every(seconds(4)));
    CHECK_FALSE(w["a"].healthy());
    w.pass(seconds(5));
    CHECK(w.connects("b") > before);
  }

  TEST_CASE("another kind of check ends what the old one kept open first") {
    Watching w(1, every(seconds(4), HealthSettings::Check::mcp));
    open_canary(w);
    w.set_settings(every(seconds(4)));
    w.pass(seconds(5));
    const std::string goodbye = w.doors->request();
    CHECK(goodbye.starts_with("DELETE "));
    CHECK(goodbye.find("Mcp-Session-Id: canary") != std::string::npos);
    const int before = w.connects("a");
    w.doors->reply("200 OK");
    CHECK(w.connects("a") == before + 1);
    CHECK(w.doors->request().empty());
  }

  TEST_CASE("a stop without anything to leave is done at the next turn, also in a check") {
    Watching w(2, every(seconds(4), HealthSettings::Check::http));
    w.checks->sync();
    w.pass(seconds(1) + milliseconds(50));
    CHECK_FALSE(w.checks->stopped());
    w.checks->begin_stop();
    w.turns.run();
    CHECK(w.checks->stopped());
  }

  TEST_CASE("a stop deletes the canary and then is done") {
    Watching w(1, every(seconds(4), HealthSettings::Check::mcp));
    open_canary(w);
    w.checks->begin_stop();
    w.pass(milliseconds(50));
    CHECK_FALSE(w.checks->stopped());
    CHECK(w.doors->request().starts_with("DELETE "));
    w.doors->reply("200 OK");
    w.turns.run();
    CHECK(w.checks->stopped());
  }

  TEST_CASE("a stop waits for a canary that is being opened, and deletes it") {
    Watching w(1, every(seconds(4), HealthSettings::Check::mcp));
    w.checks->sync();
    w.pass(seconds(1) + milliseconds(50));
    REQUIRE(w.doors->request().find("server/discover") != std::string::npos);
    w.doors->reply("400 Bad Request");
    const std::string initialize = w.doors->request();
    w.checks->begin_stop();
    w.doors->reply("200 OK", test::result_for(initialize),
                   "Content-Type: application/json\r\nMcp-Session-Id: late\r\n");
    w.doors->request();
    w.doors->reply("202 Accepted");
    const std::string goodbye = w.doors->request();
    CHECK(goodbye.starts_with("DELETE "));
    CHECK(goodbye.find("Mcp-Session-Id: late") != std::string::npos);
    CHECK(w.heard.empty());
  }

  TEST_CASE("a backend that does not answer holds a stop up for a bounded time") {
    Watching w(1, every(seconds(4), HealthSettings::Check::mcp));
    open_canary(w);
    w.checks->begin_stop();
    w.pass(limits::check_farewell - milliseconds(50));
    CHECK_FALSE(w.checks->stopped());
    w.pass(milliseconds(150));
    CHECK(w.checks->stopped());
  }

  TEST_CASE("who joins is checked at once and starts slowly, who left is not checked any more") {
    HealthSettings settings = every(seconds(40));
    settings.slow_start = seconds(90);
    Watching w(2, settings);
    w.checks->sync();
    w.pass(seconds(11));
    w.set_members({"b", "c"});
    w.pass(milliseconds(50));
    CHECK(w.connects("c") == 1);
    CHECK(w["c"].share() == 1);
    CHECK(w["b"].share() == 10);
    CHECK(w.connects("b") == 1);
    w.pass(seconds(60));
    CHECK(w.connects("a") == 1);
    CHECK(w.connects("b") == 2);
  }

  TEST_CASE("who leaves takes its canary along, while the others go on") {
    Watching w(1, every(seconds(4), HealthSettings::Check::mcp));
    open_canary(w);
    w.set_members({});
    w.pass(milliseconds(50));
    CHECK(w.doors->request().starts_with("DELETE "));
    CHECK_FALSE(w.checks->stopped());
    w.doors->reply("200 OK");
    w.turns.run();
    CHECK(w.checks->stopped());
  }

  TEST_CASE("who returns while its old checks end gets new ones") {
    Watching w(1, every(seconds(4), HealthSettings::Check::mcp));
    open_canary(w);
    w.set_members({});
    w.pass(milliseconds(20));
    w.set_members({"a"});
    const int before = w.connects("a");
    w.pass(milliseconds(50));
    CHECK(w.connects("a") == before + 1);
    CHECK(w.doors->request().find("server/discover") != std::string::npos);
  }

  TEST_CASE("a drained backend is checked as before, and not hurried when it is all that is left") {
    Watching w(1, every(seconds(40)));
    w["a"].set_mode(Mode::draining);
    w.checks->sync();
    w.pass(seconds(100));
    CHECK(w.connects("a") >= 2);
    CHECK(w.connects("a") <= 4);
  }
}
