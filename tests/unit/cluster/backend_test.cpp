#include "mcplb/cluster/backend.hpp"

#include <limits>
#include <utility>

#include <doctest/doctest.h>

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

constexpr milliseconds setting{4000};
constexpr TimePoint start = 1'000'000;

}  // namespace

TEST_SUITE("cluster/backend") {
  TEST_CASE("trusts an idle connection for as long as the operator says") {
    test::Backends backends{1};
    CHECK(backends[0].idle_horizon(setting, start) == setting);
    CHECK(backends[0].idle_horizon(milliseconds(0), start) == milliseconds(0));
  }

  TEST_CASE("closes a second before the backend's own announced time, or after half of it") {
    struct Row {
      std::uint64_t hint_seconds;
      std::int64_t horizon_ms;
    };
    const Row rows[] = {
        {5, 4000}, {4, 3000}, {3, 2000},  {2, 1000},
        {1, 500},  {0, 1},    {60, 4000}, {std::numeric_limits<std::uint64_t>::max(), 4000}};
    for (const Row& row : rows) {
      CAPTURE(row.hint_seconds);
      test::Backends backends{1};
      backends[0].note_keep_alive_hint(row.hint_seconds);
      CHECK(backends[0].idle_horizon(setting, start).count() == row.horizon_ms);
    }
  }

  TEST_CASE("takes the latest hint, because a restarted backend may have another") {
    test::Backends backends{1};
    backends[0].note_keep_alive_hint(2);
    backends[0].note_keep_alive_hint(4);
    CHECK(backends[0].idle_horizon(setting, start) == milliseconds(3000));
  }

  TEST_CASE("stays a fifth below the idle time after which the backend closed") {
    test::Backends backends{1};
    backends[0].note_idle_close(milliseconds(2000), start);
    CHECK(backends[0].idle_horizon(setting, start) == milliseconds(1600));
  }

  TEST_CASE("a lesson doubles every ten seconds until it says nothing any more") {
    test::Backends backends{1};
    backends[0].note_idle_close(milliseconds(1000), start);
    CHECK(backends[0].idle_horizon(setting, start + 9'999) == milliseconds(800));
    CHECK(backends[0].idle_horizon(setting, start + 10'000) == milliseconds(1600));
    CHECK(backends[0].idle_horizon(setting, start + 20'000) == milliseconds(3200));
    CHECK(backends[0].idle_horizon(setting, start + 30'000) == setting);
    CHECK(backends[0].idle_horizon(setting, start + 1'000'000'000) == setting);
  }

  TEST_CASE("a shorter lesson replaces a longer one, and not the other way round") {
    test::Backends backends{1};
    backends[0].note_idle_close(milliseconds(2000), start);
    backends[0].note_idle_close(milliseconds(1000), start);
    CHECK(backends[0].idle_horizon(setting, start) == milliseconds(800));
    backends[0].note_idle_close(milliseconds(3000), start);
    CHECK(backends[0].idle_horizon(setting, start) == milliseconds(800));
    // Twenty seconds later the lesson has grown to 3200, so a close after 3000 is news.
    backends[0].note_idle_close(milliseconds(3000), start + 20'000);
    CHECK(backends[0].idle_horizon(setting, start + 20'000) == milliseconds(2400));
  }

  TEST_CASE("a backend that closes at once is not kept idle at all") {
    test::Backends backends{1};
    backends[0].note_idle_close(milliseconds(0), start);
    CHECK(backends[0].idle_horizon(setting, start) == milliseconds(1));
  }

  TEST_CASE("the smallest of setting, hint and lesson holds") {
    test::Backends backends{1};
    backends[0].note_keep_alive_hint(3);
    backends[0].note_idle_close(milliseconds(3000), start);
    CHECK(backends[0].idle_horizon(setting, start) == milliseconds(2000));
    CHECK(backends[0].idle_horizon(milliseconds(100), start) == milliseconds(100));
  }

  TEST_CASE("a refusal is remembered for a second or until a connection succeeds") {
    test::Backends backends{1};
    CHECK_FALSE(backends[0].refused_lately(start));
    backends[0].note_refused(start);
    CHECK(backends[0].refused_lately(start + 999));
    CHECK_FALSE(backends[0].refused_lately(start + 1000));
    backends[0].note_refused(start);
    backends[0].note_connected();
    CHECK_FALSE(backends[0].refused_lately(start));
  }

  TEST_CASE("a load share counts once for as long as it lives, also when it is moved") {
    test::Backends backends{1, 1};
    {
      LoadShare share(backends[0]);
      CHECK(backends[0].load() == 1);
      LoadShare moved(std::move(share));
      CHECK(backends[0].load() == 1);
      moved = LoadShare(backends[1]);
      CHECK(backends[0].load() == 0);
      CHECK(backends[1].load() == 1);
    }
    CHECK(backends[1].load() == 0);
  }
}

TEST_SUITE("cluster/registry") {
  TEST_CASE("gives the same backend for the same pool and id, for ever") {
    Registry registry;
    BackendSettings settings;
    settings.id = "one";
    Backend& first = *registry.add("pool", settings);
    CHECK(registry.add("pool", settings) == &first);
    CHECK(registry.add("other", settings) != &first);
    settings.id = "two";
    CHECK(registry.add("pool", settings) != &first);
  }

  TEST_CASE("gives out ids densely from 1 and finds backends by them") {
    test::Backends backends{1, 1, 1};
    for (std::uint32_t i = 0; i < 3; ++i) {
      CHECK(backends[i].id() == static_cast<BackendId>(i + 1));
      CHECK(backends.registry.find(static_cast<BackendId>(i + 1)) == &backends[i]);
    }
  }

  TEST_CASE("finds nothing for ids that were never given out") {
    test::Backends backends{1};
    CHECK(backends.registry.find(BackendId::none) == nullptr);
    CHECK(backends.registry.find(static_cast<BackendId>(2)) == nullptr);
    CHECK(backends.registry.find(static_cast<BackendId>(0xffff'ffff)) == nullptr);
  }
}
