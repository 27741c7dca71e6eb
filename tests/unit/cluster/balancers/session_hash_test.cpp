#include <atomic>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/hash.hpp"
#include "mcplb/cluster/balancer.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::cluster;
using test::Backends;

namespace {

struct Hashing {
  std::atomic<std::uint64_t> cursor{0};
  std::unique_ptr<Balancer> balancer = make_balancer(Balance::session_hash, cursor);
  std::vector<Backend*> order;

  const std::vector<Backend*>& rank(const std::vector<Backend*>& from, std::uint64_t key) {
    balancer->rank(from, key, order);
    return order;
  }
};

std::uint64_t key_of(int i) {
  const std::string text = "session-" + std::to_string(i);
  return hash64(text);
}

}  // namespace

TEST_SUITE("cluster/session_hash") {
  TEST_CASE("the same key gives the same order") {
    Backends backends{1, 2, 3};
    Hashing one;
    Hashing two;
    for (int i = 0; i < 100; ++i) {
      const std::string first = test::names(one.rank(backends.all, key_of(i)));
      CHECK(test::names(one.rank(backends.all, key_of(i))) == first);
      CHECK(test::names(two.rank(backends.all, key_of(i))) == first);
    }
  }

  TEST_CASE("instances agree although their files list the backends in another order") {
    Backends here{1, 1, 1};
    Registry there;
    std::vector<Backend*> reversed;
    for (const char* const name : {"c", "b", "a"}) {
      BackendSettings settings;
      settings.id = name;
      reversed.push_back(there.add("pool", settings));
    }
    Hashing one;
    Hashing two;
    for (int i = 0; i < 100; ++i) {
      CHECK(test::names(one.rank(here.all, key_of(i))) ==
            test::names(two.rank(reversed, key_of(i))));
    }
  }

  TEST_CASE("a backend that leaves moves its own keys and no others") {
    Backends backends{1, 2, 3, 4};
    Hashing hashing;
    for (std::size_t gone = 0; gone < backends.all.size(); ++gone) {
      std::vector<Backend*> left = backends.all;
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(gone));
      for (int i = 0; i < 2000; ++i) {
        const std::vector<Backend*> before = hashing.rank(backends.all, key_of(i));
        Backend* const after = hashing.rank(left, key_of(i)).front();
        // Who had it as second choice gets it: so tries go on where the key would move.
        CHECK(after == (before[0] == backends.all[gone] ? before[1] : before[0]));
      }
    }
  }

  TEST_CASE("a full backend goes behind the others, and its keys to their second choice") {
    Backends backends{1, 1, 1};
    Hashing hashing;
    const std::vector<Backend*> idle = hashing.rank(backends.all, key_of(1));
    const std::size_t favourite = idle[0] == &backends[0] ? 0 : idle[0] == &backends[1] ? 1 : 2;
    for (std::size_t i = 0; i < 3; ++i)
      backends.load(i, 20);
    backends.load(favourite, 9);
    // 70 with this request: its cap is ceil(1.25 * 70 / 3) = 30, and it has 29.
    CHECK(hashing.rank(backends.all, key_of(1)).front() == idle[0]);
    backends.load(favourite, 1);
    CHECK(hashing.rank(backends.all, key_of(1)).front() == idle[1]);
    CHECK(hashing.rank(backends.all, key_of(1)).back() == idle[0]);
  }

  TEST_CASE("a few requests of one key do not make its backend full") {
    Backends backends{1, 1, 1};
    Hashing hashing;
    const Backend* const favourite = hashing.rank(backends.all, key_of(1)).front();
    for (std::size_t i = 0; i < 3; ++i) {
      if (&backends[i] == favourite) backends.load(i, 9);
    }
    CHECK(hashing.rank(backends.all, key_of(1)).front() == favourite);
  }

  TEST_CASE("one hot key loads no backend beyond a quarter above its share") {
    Backends backends{1, 1, 2};
    Hashing hashing;
    for (int i = 0; i < 400; ++i) {
      const Backend* const first = hashing.rank(backends.all, key_of(7)).front();
      for (std::size_t at = 0; at < 3; ++at) {
        if (&backends[at] == first) backends.load(at, 1);
      }
    }
    CHECK(backends[0].load() <= 126);
    CHECK(backends[1].load() <= 126);
    CHECK(backends[2].load() <= 251);
  }

  TEST_CASE("requests without a key take turns") {
    Backends backends{1, 1, 1};
    Hashing hashing;
    std::string firsts;
    for (int i = 0; i < 6; ++i)
      firsts += hashing.rank(backends.all, 0).front()->name();
    CHECK(firsts == "abcabc");
  }

  TEST_CASE("slow start lends keys of its backend to others and moves no others") {
    Backends backends{1, 1, 1};
    Hashing hashing;
    Warmth& warmth = backends[0].health().warmth;
    warmth.begin(0, milliseconds(9000));
    for (int i = 0; i < 2000; ++i) {
      warmth.begin(0, milliseconds(0));
      const Backend* const warm = hashing.rank(backends.all, key_of(i)).front();
      warmth.begin(0, milliseconds(9000));
      const Backend* const cold = hashing.rank(backends.all, key_of(i)).front();
      if (cold != warm) CHECK(warm == backends.all[0]);
    }
  }
}
