#include "admin/query.hpp"

#include <doctest/doctest.h>

namespace mcplb::admin {
namespace {

TEST_SUITE("admin/query") {
  TEST_CASE("%XX is a byte, and anything else behind a % is a mistake") {
    CHECK(percent_decoded("a%2Fb%2fc") == "a/b/c");
    CHECK(percent_decoded("%00") == std::string(1, '\0'));
    CHECK(percent_decoded("a+b") == "a+b");
    for (const char* text : {"%", "%4", "a%", "%4g", "%g4", "%-1", "%+1", "% 1", "%%41"}) {
      CAPTURE(text);
      CHECK_FALSE(percent_decoded(text));
    }
  }

  TEST_CASE("a parameter is the first one of its name, decoded") {
    CHECK(parameter("a=1&b=2", "b") == "2");
    CHECK(parameter("b=1&b=2", "b") == "1");
    CHECK(parameter("ab=1&b=x%26y+z", "b") == "x&y z");
    CHECK(parameter("b", "b").empty());
    CHECK(parameter("b=%zz", "b").empty());
    CHECK(parameter("", "b").empty());
    CHECK(parameter("&&=&b=3&", "b") == "3");
  }
}

}  // namespace
}  // namespace mcplb::admin
