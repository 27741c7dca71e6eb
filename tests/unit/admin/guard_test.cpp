#include "admin/guard.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"

namespace mcplb::admin {
namespace {

struct Parsed {
  std::string bytes;
  http::RequestHead head;

  explicit Parsed(const std::string& fields) : bytes("POST / HTTP/1.1\r\n" + fields + "\r\n") {
    REQUIRE(http::parse_request_head(bytes, http::Settings{}, head));
  }
};

bool passes(const std::string& fields, bool has_token = true) {
  const Parsed parsed(fields);
  return foreign_origin(parsed.head, has_token).empty();
}

TEST_SUITE("admin/guard") {
  TEST_CASE("commands come from no page, or from one of the same origin") {
    const std::string host = "Host: lb.example:9180\r\n";
    CHECK(passes(host));
    CHECK(passes(host + "Origin: http://lb.example:9180\r\n"));
    CHECK(passes(host + "Origin: https://LB.example:9180\r\nSec-Fetch-Site: same-origin\r\n"));
    for (const char* origin : {"http://evil.example", "http://lb.example", "null", "lb.example:9180",
                               "http://lb.example:9181", "ftp://lb.example:9180"}) {
      CAPTURE(origin);
      CHECK_FALSE(passes(host + "Origin: " + origin + "\r\n"));
    }
    CHECK_FALSE(passes(host + "Sec-Fetch-Site: cross-site\r\n"));
    CHECK_FALSE(passes(host + "Sec-Fetch-Site: same-site\r\n"));
    CHECK(passes(host + "Sec-Fetch-Site: none\r\n"));
  }

  TEST_CASE("without a token, a name that DNS may lead here is no host for commands") {
    for (const char* host : {"localhost", "LocalHost:9180", "127.0.0.1:9180", "[::1]:9180"}) {
      CAPTURE(host);
      CHECK(passes("Host: " + std::string(host) + "\r\n", false));
    }
    for (const char* host : {"evil.example:9180", "localhost.evil.example", "127.0.0.1.nip.io"}) {
      CAPTURE(host);
      CHECK_FALSE(passes("Host: " + std::string(host) + "\r\n", false));
      CHECK(passes("Host: " + std::string(host) + "\r\n", true));
    }
  }

  TEST_CASE("JSON is named with or without parameters") {
    const auto says = [](const std::string& type) {
      const Parsed parsed("Host: a\r\nContent-Type: " + type + "\r\n");
      return says_json(parsed.head);
    };
    CHECK(says("application/json"));
    CHECK(says("Application/JSON ; charset=utf-8"));
    CHECK_FALSE(says("text/plain"));
    CHECK_FALSE(says("text/plain; application/json"));
    CHECK_FALSE(says("application/jsonp"));
    CHECK_FALSE(says_json(Parsed("Host: a\r\n").head));
  }
}

}  // namespace
}  // namespace mcplb::admin
