#include <atomic>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/cluster/balancer.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::cluster;
using test::Backends;

namespace {

std::string ranked(Backends& backends) {
  std::atomic<std::uint64_t> cursor{0};
  const auto balancer = make_balancer(Balance::least_connections, cursor);
  std::vector<Backend*> order;
  balancer->rank(backends.all, 0, order);
  return test::names(order);
}

}  // namespace

TEST_SUITE("cluster/least_connections") {
  TEST_CASE("the least busy comes first") {
    Backends backends{1, 1, 1};
    backends.load(0, 2);
    backends.load(1, 3);
    backends.load(2, 1);
    CHECK(ranked(backends) == "cab");
  }

  TEST_CASE("load counts per weight") {
    Backends backends{1, 3};
    backends.load(0, 1);
    backends.load(1, 2);
    CHECK(ranked(backends) == "ba");
  }

  TEST_CASE("load counts per part of the weight in slow start") {
    Backends backends{1, 1};
    backends[0].health().warmth.begin(0, milliseconds(9000));
    backends.load(0, 1);
    backends.load(1, 9);
    CHECK(ranked(backends) == "ba");
    backends.load(1, 2);
    CHECK(ranked(backends) == "ab");
  }

  TEST_CASE("equal load per weight is decided by sessions per weight") {
    Backends backends{1, 2};
    backends.load(0, 1);
    backends.load(1, 2);
    backends[0].add_session(3);
    backends[1].add_session(5);
    CHECK(ranked(backends) == "ba");
    backends[1].add_session(2);
    CHECK(ranked(backends) == "ab");
  }

  TEST_CASE("fewer sessions do not outweigh load") {
    Backends backends{1, 1};
    backends.load(0, 1);
    backends[1].add_session(1000);
    CHECK(ranked(backends) == "ba");
  }

  TEST_CASE("the equally busy take turns by weight while a busier one waits behind them") {
    Backends backends{3, 1, 3};
    backends.load(2, 10);
    std::atomic<std::uint64_t> cursor{0};
    const auto balancer = make_balancer(Balance::least_connections, cursor);
    test::Shares shares;
    std::vector<Backend*> order;
    for (int i = 0; i < 4000; ++i) {
      balancer->rank(backends.all, 0, order);
      ++shares[order.front()];
      CHECK(order.back() == backends.all[2]);
    }
    CHECK(shares[backends.all[0]] == doctest::Approx(3000).epsilon(0.02));
    CHECK(shares[backends.all[1]] == doctest::Approx(1000).epsilon(0.02));
  }

  TEST_CASE("turns stay even for a worker that sees only every other request") {
    Backends backends{1, 1};
    std::atomic<std::uint64_t> cursor{0};
    const auto balancer = make_balancer(Balance::least_connections, cursor);
    test::Shares shares;
    std::vector<Backend*> order;
    for (int i = 0; i < 2000; ++i) {
      balancer->rank(backends.all, 0, order);
      ++shares[order.front()];
      cursor.fetch_add(1);
    }
    CHECK(shares[backends.all[0]] == doctest::Approx(1000).epsilon(0.02));
  }

  TEST_CASE("a session count that is negative for a moment counts as none") {
    Backends backends{1, 1};
    backends[1].add_session(-1);
    backends[0].add_session(1);
    CHECK(ranked(backends) == "ba");
  }
}
