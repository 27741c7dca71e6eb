#include "admin/path.hpp"

#include <doctest/doctest.h>

namespace mcplb::admin {
namespace {

using Parts = std::vector<std::string_view>;

TEST_SUITE("admin/path") {
  TEST_CASE("a {} stands for one whole segment, as it is") {
    CHECK(match_path("/a/{}/b/{}", "/a/x%2Fy/b/z:1") == Parts{"x%2Fy", "z:1"});
    CHECK(match_path("/a/{}", "/a/") == Parts{""});
    CHECK(match_path("/a", "/a") == Parts{});
    CHECK(match_path("/", "/") == Parts{});
  }

  TEST_CASE("another path matches nothing") {
    for (const char* path : {"", "/", "/a", "/a/b/c", "/b/x", "/a/x/", "a/x", "//a/x", "/A/x"}) {
      CAPTURE(path);
      CHECK_FALSE(match_path("/a/{}", path));
    }
    CHECK_FALSE(match_path("/", "/a"));
  }
}

}  // namespace
}  // namespace mcplb::admin
