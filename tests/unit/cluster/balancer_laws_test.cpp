// What every policy promises, whatever else it does. A new policy adds its row to `policies`.
#include <algorithm>
#include <atomic>
#include <set>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/hash.hpp"
#include "mcplb/cluster/balancer.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::cluster;
using test::Backends;
using test::Shares;

namespace {

struct Policy {
  const char* name;
  Balance balance;
  bool keyed;  // every request has another key; otherwise none has
};
constexpr Policy policies[] = {{"round_robin", Balance::round_robin, false},
                               {"least_connections", Balance::least_connections, false},
                               {"session_hash with keys", Balance::session_hash, true},
                               {"session_hash without keys", Balance::session_hash, false}};

const std::vector<std::vector<std::uint32_t>> weight_sets = {{1},
                                                             {7},
                                                             {1, 1},
                                                             {1, 1, 1},
                                                             {5, 1, 1},
                                                             {100, 1},
                                                             {2, 4, 6},
                                                             {3, 3, 3, 3, 3},
                                                             {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};

std::uint64_t key_of(const Policy& policy, std::uint64_t request) {
  if (!policy.keyed) return 0;
  const std::string text = std::to_string(request);
  return hash64(text);
}

// How often each backend comes first in `count` requests.
Shares count_firsts(Balancer& balancer, const Policy& policy, const std::vector<Backend*>& from,
                    std::uint64_t count) {
  Shares shares;
  std::vector<Backend*> order;
  for (std::uint64_t request = 0; request < count; ++request) {
    balancer.rank(from, key_of(policy, request), order);
    ++shares[order.front()];
  }
  return shares;
}

void check_even(const Shares& shares, const std::vector<Backend*>& from, std::uint64_t count) {
  double weights = 0;
  for (const Backend* backend : from)
    weights += backend->weight();
  for (const Backend* backend : from) {
    CAPTURE(backend->name());
    const double fair = static_cast<double>(count) * backend->weight() / weights;
    const auto found = shares.find(backend);
    REQUIRE(found != shares.end());
    CHECK(found->second == doctest::Approx(fair).epsilon(0.05));
  }
}

template <class Law>
void for_each_policy(Law law) {
  for (const Policy& policy : policies) {
    CAPTURE(policy.name);
    law(policy);
  }
}

}  // namespace

TEST_SUITE("cluster/balancer_laws") {
  TEST_CASE("ranks every candidate exactly once") {
    for_each_policy([](const Policy& policy) {
      for (const auto& weights : weight_sets) {
        Backends backends(weights);
        std::atomic<std::uint64_t> cursor{0};
        const auto balancer = make_balancer(policy.balance, cursor);
        std::vector<Backend*> order;
        for (std::uint64_t request = 0; request < 50; ++request) {
          if (request % 10 == 0) backends.load(request % weights.size(), 1);
          balancer->rank(backends.all, key_of(policy, request), order);
          const std::set<Backend*> ranked(order.begin(), order.end());
          CHECK(order.size() == weights.size());
          CHECK(ranked == std::set<Backend*>(backends.all.begin(), backends.all.end()));
        }
      }
    });
  }

  TEST_CASE("gives each backend its share by weight, within five per cent") {
    for_each_policy([](const Policy& policy) {
      for (const auto& weights : weight_sets) {
        Backends backends(weights);
        std::atomic<std::uint64_t> cursor{0};
        const auto balancer = make_balancer(policy.balance, cursor);
        const std::uint64_t count =
            weights == std::vector<std::uint32_t>{100, 1} ? 800'000 : 100'000;
        check_even(count_firsts(*balancer, policy, backends.all, count), backends.all, count);
      }
    });
  }

  TEST_CASE("a backend in slow start gets the grown part of its weight, and in the end all of it") {
    for_each_policy([](const Policy& policy) {
      Backends backends{2, 2, 1};
      std::atomic<std::uint64_t> cursor{0};
      const auto balancer = make_balancer(policy.balance, cursor);
      Warmth& warmth = backends[1].health().warmth;
      warmth.begin(0, milliseconds(9000));
      for (const TimePoint age : {0, 4000, 9000}) {
        CAPTURE(age);
        warmth.refresh(age);
        constexpr std::uint64_t count = 200'000;
        const Shares shares = count_firsts(*balancer, policy, backends.all, count);
        const double part = static_cast<double>(1 + age / 1000) / 10;
        const double fair = count * 2 * part / (2 + 2 * part + 1);
        REQUIRE(shares.count(backends.all[1]) == 1);
        CHECK(shares.at(backends.all[1]) == doctest::Approx(fair).epsilon(0.05));
      }
    });
  }

  TEST_CASE("several workers on one cursor stay even together") {
    for_each_policy([](const Policy& policy) {
      Backends backends{3, 2, 1};
      std::atomic<std::uint64_t> cursor{0};
      const auto one = make_balancer(policy.balance, cursor);
      const auto two = make_balancer(policy.balance, cursor);
      Shares shares;
      std::vector<Backend*> order;
      constexpr std::uint64_t count = 60'000;
      for (std::uint64_t request = 0; request < count; ++request) {
        // Strictly alternating workers would be too easy: the first takes two of three.
        Balancer& worker = request % 3 == 0 ? *two : *one;
        worker.rank(backends.all, key_of(policy, request), order);
        ++shares[order.front()];
      }
      check_even(shares, backends.all, count);
    });
  }

  TEST_CASE("a single candidate is always first") {
    for_each_policy([](const Policy& policy) {
      Backends backends{3};
      backends.load(0, 1000);
      std::atomic<std::uint64_t> cursor{~std::uint64_t{0} - 2};
      const auto balancer = make_balancer(policy.balance, cursor);
      std::vector<Backend*> order;
      for (std::uint64_t request = 0; request < 5; ++request) {
        balancer->rank(backends.all, key_of(policy, request), order);
        CHECK(test::names(order) == "a");
      }
    });
  }

  TEST_CASE("ranks exactly the candidates of each call while the set changes") {
    for_each_policy([](const Policy& policy) {
      Backends backends{1, 2, 3, 4};
      std::atomic<std::uint64_t> cursor{0};
      const auto balancer = make_balancer(policy.balance, cursor);
      std::vector<Backend*> order;
      for (std::uint64_t request = 0; request < 200; ++request) {
        // Every subset of the four in turn.
        std::vector<Backend*> candidates;
        for (std::size_t i = 0; i < 4; ++i) {
          if (((request % 15 + 1) >> i & 1) != 0) candidates.push_back(backends.all[i]);
        }
        balancer->rank(candidates, key_of(policy, request), order);
        std::sort(order.begin(), order.end(),
                  [](const Backend* a, const Backend* b) { return a->id() < b->id(); });
        CHECK(test::names(order) == test::names(candidates));
      }
    });
  }

  TEST_CASE("shares stay even after a backend left and came back") {
    for_each_policy([](const Policy& policy) {
      Backends backends{2, 1, 1};
      std::atomic<std::uint64_t> cursor{0};
      const auto balancer = make_balancer(policy.balance, cursor);
      const std::vector<Backend*> without_b{backends.all[0], backends.all[2]};
      count_firsts(*balancer, policy, backends.all, 7);
      check_even(count_firsts(*balancer, policy, without_b, 30'000), without_b, 30'000);
      check_even(count_firsts(*balancer, policy, backends.all, 40'000), backends.all, 40'000);
    });
  }

  TEST_CASE("what comes first when the first is gone is spread, too") {
    // Otherwise the neighbour of a failed backend would take all of its requests.
    for_each_policy([](const Policy& policy) {
      Backends backends{1, 1, 1, 1};
      std::atomic<std::uint64_t> cursor{0};
      const auto balancer = make_balancer(policy.balance, cursor);
      const std::vector<Backend*> left(backends.all.begin() + 1, backends.all.end());
      check_even(count_firsts(*balancer, policy, left, 30'000), left, 30'000);
    });
  }
}
