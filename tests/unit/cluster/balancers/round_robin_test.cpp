#include <atomic>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/cluster/balancer.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::cluster;
using test::Backends;

namespace {

std::string firsts(Balancer& balancer, const std::vector<Backend*>& from, int count) {
  std::string text;
  std::vector<Backend*> order;
  for (int i = 0; i < count; ++i) {
    balancer.rank(from, 0, order);
    text += order.front()->name();
  }
  return text;
}

}  // namespace

TEST_SUITE("cluster/round_robin") {
  TEST_CASE("spreads a heavy backend's turns over the round, as nginx does") {
    std::atomic<std::uint64_t> cursor{0};
    const auto balancer = make_balancer(Balance::round_robin, cursor);
    Backends backends{5, 1, 1};
    CHECK(firsts(*balancer, backends.all, 14) == "aabacaaaabacaa");
  }

  TEST_CASE("takes equal backends in turn") {
    std::atomic<std::uint64_t> cursor{0};
    const auto balancer = make_balancer(Balance::round_robin, cursor);
    Backends backends{4, 4, 4};
    CHECK(firsts(*balancer, backends.all, 7) == "abcabca");
  }

  TEST_CASE("weights count relative to each other") {
    std::atomic<std::uint64_t> cursor{0};
    const auto balancer = make_balancer(Balance::round_robin, cursor);
    Backends backends{20, 10};
    CHECK(firsts(*balancer, backends.all, 6) == "abaaba");
  }

  TEST_CASE("the others follow in the order of their turns") {
    std::atomic<std::uint64_t> cursor{0};
    const auto balancer = make_balancer(Balance::round_robin, cursor);
    Backends backends{1, 1, 1};
    std::vector<Backend*> order;
    balancer->rank(backends.all, 0, order);
    CHECK(test::names(order) == "abc");
    balancer->rank(backends.all, 0, order);
    CHECK(test::names(order) == "bca");
  }

  TEST_CASE("a second worker goes on where the first one is") {
    std::atomic<std::uint64_t> cursor{0};
    const auto one = make_balancer(Balance::round_robin, cursor);
    const auto two = make_balancer(Balance::round_robin, cursor);
    Backends backends{1, 1, 1};
    CHECK(firsts(*one, backends.all, 2) == "ab");
    CHECK(firsts(*two, backends.all, 2) == "ca");
    CHECK(firsts(*one, backends.all, 1) == "b");
  }

  TEST_CASE("does not allocate once it knows the candidates") {
    std::atomic<std::uint64_t> cursor{0};
    const auto balancer = make_balancer(Balance::round_robin, cursor);
    Backends backends{3, 2, 1};
    std::vector<Backend*> order;
    balancer->rank(backends.all, 0, order);
    Backend* const* const storage = order.data();
    for (int i = 0; i < 100; ++i)
      balancer->rank(backends.all, 0, order);
    CHECK(order.data() == storage);
  }

  TEST_CASE("slow start counts in tenths, in whole weights where the round would be too long") {
    for (const std::size_t count : {std::size_t{2}, std::size_t{200}}) {
      CAPTURE(count);
      std::vector<std::uint32_t> weights;
      for (std::size_t i = 0; i < count; ++i) weights.push_back(i % 2 == 0 ? 100 : 99);
      Backends backends(weights);
      backends[1].health().warmth.begin(0, milliseconds(9000));
      const std::uint32_t unit = count == 2 ? 10 : 1;
      const std::uint32_t warming = 99 * unit / 10;
      std::size_t round = 0;
      for (const std::uint32_t weight : weights) round += weight * unit;
      round = round - 99 * unit + warming;
      std::atomic<std::uint64_t> cursor{0};
      const auto balancer = make_balancer(Balance::round_robin, cursor);
      test::Shares shares;
      std::vector<Backend*> order;
      for (std::size_t i = 0; i < round; ++i) {
        balancer->rank(backends.all, 0, order);
        ++shares[order.front()];
      }
      CHECK(shares[backends.all[0]] == static_cast<int>(100 * unit));
      CHECK(shares[backends.all[1]] == static_cast<int>(warming));
    }
  }
}
