#include "mcplb/mcp/principal.hpp"

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

namespace mcplb::mcp {
namespace {

const std::string old_key = "the key of last year";
const std::string new_key = "the key of this year";

std::string base64url(std::string_view text) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6)
      out += digits[bits >> (count - 6) & 63];
  }
  if (count > 0) out += digits[bits << (6 - count) & 63];
  return out;
}

std::string bearer(std::string_view payload, std::string_view signature = "c2ln") {
  return "Bearer " + base64url(R"({"alg":"ES256"})") + '.' + base64url(payload) + '.' +
         std::string(signature);
}

const std::string alice = bearer(R"({"iss":"https://as","sub":"alice","exp":1})");

bool same(const std::string& one, const std::string& other) {
  Principals principals({new_key});
  const bool fits = principals.fits(principals.of(one), other);
  CHECK(fits == (principals.of(one) == principals.of(other)));
  const std::string first(principals.identity(one));
  const std::string second(principals.identity(other));
  CHECK(fits == (first == second));
  return fits;
}

}  // namespace

TEST_SUITE("mcp/principal") {
  TEST_CASE("a refreshed token is of the same principal") {
    CHECK(same(alice, alice));
    CHECK(same(alice, bearer(R"({"exp":2,"sub":"alice","scope":["a"],"iss":"https://as"})", "x2")));
    CHECK(same(alice, bearer(R"({"iss":"https:\/\/as","su\u0062":"alic\u0065"})")));
    CHECK(same(alice, "bearer  " + alice.substr(7)));
  }

  TEST_CASE("another subject or issuer is another principal") {
    CHECK_FALSE(same(alice, bearer(R"({"iss":"https://as","sub":"bob"})")));
    CHECK_FALSE(same(alice, bearer(R"({"iss":"https://other","sub":"alice"})")));
    CHECK_FALSE(same(alice, bearer(R"({"iss":"alice","sub":"https://as"})")));
    CHECK_FALSE(same(bearer(R"({"iss":"ab","sub":"c"})"), bearer(R"({"iss":"a","sub":"bc"})")));
  }

  TEST_CASE("any other credential is compared as a whole") {
    for (const std::string& credential :
         {std::string("Basic YTpi"), std::string("Bearer opaque"), std::string("Bearer a.b"),
          std::string("Bearer "), std::string("Bearer ..")}) {
      CAPTURE(credential);
      CHECK(same(credential, credential));
      CHECK_FALSE(same(credential, credential + "x"));
      CHECK_FALSE(same(credential, ""));
    }
    CHECK(same("", ""));
    CHECK_FALSE(same("Bearer opaque", "bearer opaque"));
  }

  TEST_CASE("what only looks like a JWT is compared as a whole") {
    const std::string other_signature = "b3RoZXI";
    for (const std::string& payload :
         {std::string(R"({"iss":"i"})"), std::string(R"({"sub":"s"})"),
          std::string(R"({"iss":"i","sub":7})"), std::string(R"({"iss":["i"],"sub":"s"})"),
          std::string(R"({"iss":"i","sub":"s","sub":"t"})"),
          std::string(R"({"iss":"i","iss":"i","sub":"s"})"), std::string(R"(["iss","sub"])"),
          std::string(R"({"iss":"i","sub":"s"} x)"), std::string(R"({"iss":"i","sub":"s")"),
          std::string(R"({"a":{"iss":"i","sub":"s"}})"), std::string("\"iss\""), std::string(),
          std::string("not json")}) {
      CAPTURE(payload);
      CHECK(same(bearer(payload), bearer(payload)));
      CHECK_FALSE(same(bearer(payload), bearer(payload, other_signature)));
    }
    CHECK_FALSE(same(alice, alice + ".x"));
    CHECK_FALSE(same(alice, "Basic " + alice.substr(7)));
    CHECK_FALSE(same(alice, alice + ", " + alice));
    CHECK_FALSE(same(alice, alice + "="));
  }

  TEST_CASE("a payload beyond the bound is compared as a whole") {
    const std::string pad(limits::jwt_payload_bytes_max, 'x');
    const std::string payload = R"({"iss":"i","sub":"s","pad":")" + pad + "\"}";
    CHECK(same(bearer(payload), bearer(payload)));
    CHECK_FALSE(same(bearer(payload), bearer(payload, "b3RoZXI")));
  }

  TEST_CASE("a credential that spells an identity is not that principal") {
    Principals principals({new_key});
    const std::string identity(principals.identity(alice));
    CHECK_FALSE(same(alice, identity));
    CHECK_FALSE(same(alice, identity.substr(1)));
  }

  TEST_CASE("a session that was bound under an older secret still fits") {
    Principals before({old_key});
    Principals during({new_key, old_key});
    Principals after({new_key});
    const Principal bound = before.of(alice);
    CHECK(during.fits(bound, alice));
    CHECK_FALSE(during.fits(bound, ""));
    CHECK_FALSE(after.fits(bound, alice));
    CHECK(after.fits(during.of(alice), alice));
  }

  TEST_CASE("no principal fits nobody") {
    Principals principals({new_key});
    CHECK_FALSE(principals.fits(Principal{}, alice));
    CHECK_FALSE(principals.fits(Principal{}, ""));
    CHECK(principals.of(""));
  }

  TEST_CASE("all credentials of one reader are read anew") {
    Principals principals({new_key});
    const Principal one = principals.of(alice);
    const Principal two = principals.of("Bearer opaque");
    for (int round = 0; round < 3; ++round) {
      CHECK(principals.fits(one, alice));
      CHECK(principals.fits(two, "Bearer opaque"));
      CHECK_FALSE(principals.fits(two, alice));
    }
  }
}

}  // namespace mcplb::mcp
