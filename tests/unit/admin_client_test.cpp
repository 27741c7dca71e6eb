#include "admin_client.hpp"

#include <doctest/doctest.h>

namespace mcplb {
namespace {

TEST_SUITE("admin_client") {
  TEST_CASE("an address is a host and a port, or a unix socket") {
    const auto v4 = parse_admin_address("127.0.0.1:9180");
    REQUIRE(v4);
    CHECK(v4->host == "127.0.0.1");
    CHECK(v4->port == 9180);
    const auto v6 = parse_admin_address("[::1]:80");
    REQUIRE(v6);
    CHECK(v6->host == "::1");
    const auto name = parse_admin_address("localhost:1");
    REQUIRE(name);
    CHECK(name->host == "localhost");
    const auto path = parse_admin_address("unix:/run/mcplb");
    REQUIRE(path);
    CHECK(path->unix_path == "/run/mcplb");
    CHECK(path->host.empty());
  }

  TEST_CASE("what is no address is refused") {
    for (const char* text : {"", "a", ":1", "a:", "a:0", "a:65536", "a:1x", "::1:80", "unix:",
                             "http://a:1", "a@b:1", "a b:1", "[]:1"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_admin_address(text));
    }
  }

  TEST_CASE("everything but unreserved characters is encoded") {
    CHECK(percent_encoded("aZ09-._~") == "aZ09-._~");
    CHECK(percent_encoded("a/b?c&d=%\xff ") == "a%2Fb%3Fc%26d%3D%25%FF%20");
  }
}

}  // namespace
}  // namespace mcplb
