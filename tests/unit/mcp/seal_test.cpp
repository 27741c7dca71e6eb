#include "mcplb/mcp/seal.hpp"

#include <algorithm>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {
namespace {

using Secrets = std::vector<std::string>;

const std::string old_key = "the key of last year";
const std::string new_key = "the key of this year";
constexpr std::string_view scope = "session/default";
constexpr std::string_view query_safe =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

std::string random_id(std::mt19937& random, std::size_t size) {
  std::uniform_int_distribution<int> visible(0x21, 0x7e);
  std::string id(size, ' ');
  for (char& c : id)
    c = static_cast<char>(visible(random));
  return id;
}

bool opens(Seal& seal, std::string_view sealed, std::string_view id, OwnerTag owner) {
  const auto unsealed = seal.unwrap(sealed);
  return unsealed && unsealed->id == id && unsealed->owner == owner;
}

}  // namespace

TEST_SUITE("mcp/seal") {
  TEST_CASE("any id of any length comes back with its owner") {
    std::mt19937 random(1);
    Seal seal({new_key}, scope);
    const OwnerTag owner = owner_tag("a:1");
    for (std::size_t size = 1; size <= 300; ++size) {
      const std::string id = random_id(random, size);
      const std::string sealed = seal.wrap(owner, id);
      CAPTURE(id);
      CHECK(sealed.size() == size + Seal::added_bytes);
      CHECK(sealed.starts_with(id));
      CHECK(is_session_id(sealed));
      CHECK(sealed.find_first_not_of(query_safe, size) == std::string::npos);
      CHECK(opens(seal, sealed, id, owner));
    }
  }

  TEST_CASE("a sealed id is no longer than a session id may be") {
    Seal seal({new_key}, scope);
    const std::size_t most = limits::session_id_bytes_max - Seal::added_bytes;
    const std::string longest(most, 'x');
    CHECK(opens(seal, seal.wrap(owner_tag("a"), longest), longest, owner_tag("a")));
    CHECK(seal.wrap(owner_tag("a"), longest + "x") == "");
    CHECK(seal.wrap(owner_tag("a"), "") == "");
  }

  TEST_CASE("an id that was sealed already is an id like others") {
    Seal seal({new_key}, scope);
    const std::string inner = seal.wrap(owner_tag("a"), "id");
    const std::string outer = seal.wrap(owner_tag("b"), inner);
    CHECK(opens(seal, outer, inner, owner_tag("b")));
  }

  TEST_CASE("no other value of any one byte is accepted") {
    std::mt19937 random(2);
    Seal seal({old_key, new_key}, scope);
    for (const std::size_t size : {1, 2, 36, 100}) {
      const std::string sealed = seal.wrap(owner_tag("a"), random_id(random, size));
      std::size_t accepted = 0;
      for (std::size_t at = 0; at < sealed.size(); ++at) {
        for (int change = 1; change < 256; ++change) {
          std::string forged = sealed;
          forged[at] = static_cast<char>(forged[at] ^ change);
          if (seal.unwrap(forged)) ++accepted;
        }
      }
      CHECK(accepted == 0);
    }
  }

  TEST_CASE("what is cut, extended or moved is not accepted") {
    Seal seal({new_key}, scope);
    const std::string sealed = seal.wrap(owner_tag("a"), "0123456789-0123456789");
    for (std::size_t cut = 1; cut <= sealed.size(); ++cut) {
      CAPTURE(cut);
      CHECK_FALSE(seal.unwrap(sealed.substr(cut)));
      CHECK_FALSE(seal.unwrap(sealed.substr(0, sealed.size() - cut)));
    }
    CHECK_FALSE(seal.unwrap(sealed + "A"));
    CHECK_FALSE(seal.unwrap("0" + sealed));
    // The seal of one id behind another.
    const std::string other = seal.wrap(owner_tag("a"), "another");
    CHECK_FALSE(seal.unwrap("another" + sealed.substr(sealed.size() - Seal::added_bytes)));
    CHECK(seal.unwrap(other));
    CHECK_FALSE(seal.unwrap(std::string(limits::session_id_bytes_max + 1, 'x')));
  }

  TEST_CASE("another secret, pool or kind of session accepts nothing") {
    Seal seal({new_key}, scope);
    const std::string sealed = seal.wrap(owner_tag("a"), "id");
    Seal other_secret({old_key}, scope);
    Seal other_pool({new_key}, "session/other");
    Seal other_kind({new_key}, "endpoint/default");
    CHECK_FALSE(other_secret.unwrap(sealed));
    CHECK_FALSE(other_pool.unwrap(sealed));
    CHECK_FALSE(other_kind.unwrap(sealed));
    Seal same({new_key}, scope);
    CHECK(opens(same, sealed, "id", owner_tag("a")));
  }

  TEST_CASE("the first secret signs and all verify, so that secrets can be replaced") {
    Seal before({old_key}, scope);
    Seal during({new_key, old_key}, scope);
    Seal after({new_key}, scope);
    const OwnerTag owner = owner_tag("a");
    const std::string sealed_before = before.wrap(owner, "id");
    const std::string sealed_during = during.wrap(owner, "id");
    CHECK(opens(during, sealed_before, "id", owner));
    CHECK(opens(during, sealed_during, "id", owner));
    CHECK(sealed_during == after.wrap(owner, "id"));
    CHECK_FALSE(after.unwrap(sealed_before));
    CHECK_FALSE(before.unwrap(sealed_during));
  }

  TEST_CASE("of any number of secrets each verifies what it signed") {
    Secrets secrets;
    std::mt19937 random(3);
    for (std::size_t i = 0; i < limits::secrets_max; ++i) secrets.push_back(random_id(random, 32));
    Seal all(secrets, scope);
    for (const std::string& secret : secrets) {
      Seal one({secret}, scope);
      CHECK(opens(all, one.wrap(owner_tag("a"), "id"), "id", owner_tag("a")));
    }
  }

  TEST_CASE("a seal for one principal is none for another or for nobody") {
    Seal seal({new_key}, scope);
    const OwnerTag owner = owner_tag("a");
    const std::string sealed = seal.wrap(owner, "id", "alice");
    CHECK(seal.unwrap(sealed, "alice"));
    CHECK_FALSE(seal.unwrap(sealed, "bob"));
    CHECK_FALSE(seal.unwrap(sealed));
    CHECK_FALSE(seal.unwrap(seal.wrap(owner, "id"), "alice"));
  }

  TEST_CASE("bytes cannot move between the principal and the id") {
    Seal seal({new_key}, scope);
    const OwnerTag owner = owner_tag("a");
    const std::string end = seal.wrap(owner, "xyz", "ab").substr(3);
    CHECK_FALSE(seal.unwrap("yz" + end, "abx"));
    CHECK_FALSE(seal.unwrap("bxyz" + end, "a"));
    CHECK(seal.unwrap("xyz" + end, "ab"));
  }

  TEST_CASE("a seal that was moved still opens what it sealed") {
    Seal seal({new_key}, scope);
    const std::string sealed = seal.wrap(owner_tag("a"), "id");
    Seal moved = std::move(seal);
    CHECK(opens(moved, sealed, "id", owner_tag("a")));
  }

  TEST_CASE("tags differ between backends and are the same everywhere") {
    std::set<OwnerTag> tags;
    for (int port = 0; port < 1000; ++port)
      tags.insert(owner_tag("10.0.0.1:" + std::to_string(port)));
    CHECK(tags.size() == 1000);
    // Balancers of two versions must agree: these two values may never change.
    CHECK(static_cast<std::uint64_t>(owner_tag("")) == 0xe3b0c44298fc1c1ULL);
    Seal seal({"0123456789abcdef"}, "session/default");
    CHECK(seal.wrap(owner_tag("one"), "id") == "id.dpLDrTVAu4sSRlunzJh-58T7zDn95mEI4v");
  }
}

}  // namespace mcplb::mcp
