#include "admin/token.hpp"

#include <doctest/doctest.h>

namespace mcplb::admin {
namespace {

TEST_SUITE("admin/token") {
  TEST_CASE("only the whole token in the Bearer scheme is accepted") {
    CHECK(carries_token("Bearer abc", "abc"));
    CHECK(carries_token("bearer  abc", "abc"));
    CHECK_FALSE(carries_token("Bearer ab", "abc"));
    CHECK_FALSE(carries_token("Bearer abcabc", "abc"));
    CHECK_FALSE(carries_token("Bearer ", "abc"));
    CHECK_FALSE(carries_token("Basic abc", "abc"));
    CHECK_FALSE(carries_token("abc", "abc"));
    CHECK_FALSE(carries_token("", "abc"));
  }

  TEST_CASE("an empty token is carried by nobody") {
    CHECK_FALSE(carries_token("Bearer ", ""));
    CHECK_FALSE(carries_token("", ""));
  }
}

}  // namespace
}  // namespace mcplb::admin
