#include "cli_ask.hpp"

#include <doctest/doctest.h>

namespace mcplb {
namespace {

TEST_SUITE("cli_ask") {
  TEST_CASE("POOL/BACKEND is split at its first slash, and BACKEND alone has no pool") {
    CHECK(parse_backend_name("p/h:1").pool == "p");
    CHECK(parse_backend_name("p/h:1").backend == "h:1");
    CHECK(parse_backend_name("p/[::1]:2/x").backend == "[::1]:2/x");
    CHECK(parse_backend_name("h:1").pool.empty());
    CHECK(parse_backend_name("h:1").backend == "h:1");
  }
}

}  // namespace
}  // namespace mcplb
