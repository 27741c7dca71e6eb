#include "http/target.hpp"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"

using namespace std::string_literals;
using mcplb::http::Method;
using mcplb::http::RequestHead;
using mcplb::http::Settings;

namespace {

// The broken rule, or "" for a head that is taken.
std::string rule_of(const std::string& bytes, RequestHead& head) {
  const auto parsed = parse_request_head(bytes, Settings{}, head);
  return parsed ? "" : parsed.error().what;
}

std::string rule_of(const std::string& bytes) {
  RequestHead head;
  return rule_of(bytes, head);
}

std::string rule_of_hosts(const std::string& host_lines) {
  return rule_of("GET / HTTP/1.1\r\n" + host_lines + "\r\n");
}

}  // namespace

TEST_SUITE("http/target") {
  TEST_CASE("takes valid authorities") {
    for (const char* text :
         {"a", "example.com", "example.com:0", "example.com:65535", "example.com:", "127.0.0.1:80",
          "[::1]", "[::1]:3000", "[2001:db8::1:2]", "[1:2:3:4:5:6:7:8]", "[::ffff:1.2.3.4]", "[::]",
          "[1::]", "a_b-c.d~e", "a%20b", "xn--bcher-kva.example", "A!$&'()*+;=b"}) {
      CAPTURE(text);
      CHECK(mcplb::http::is_valid_authority(text));
    }
  }

  TEST_CASE("refuses authorities that are not uri-host and port") {
    for (const char* text : {"",
                             ":80",
                             "a:65536",
                             "a:999999",
                             "a:000080",
                             "a:8o",
                             "a:-1",
                             "a:+1",
                             "a: 80",
                             "a:80:90",
                             "a b",
                             "a,b",
                             "u@a",
                             "u:p@a",
                             "a/b",
                             "a?b",
                             "a#b",
                             "http://a",
                             "::1",
                             "[::1",
                             "::1]",
                             "[]",
                             "[::1]x",
                             "[::1]80",
                             "[::1]:x",
                             "[1:2:3]",
                             "[1:2:3:4:5:6:7:8:9]",
                             "[1::2::3]",
                             "[12345::]",
                             "[::1.2.3]",
                             "[::1.2.3.256]",
                             "[::1.2.3.4:5]",
                             "[::1%25eth0]",
                             "[v1.a]",
                             "[:1]",
                             "[1:]",
                             "[a",
                             "a]",
                             "a%2",
                             "a%zz",
                             "a%",
                             "a\\b",
                             "a\"b",
                             "a<b",
                             "\x80",
                             "a\t"}) {
      CAPTURE(text);
      CHECK_FALSE(mcplb::http::is_valid_authority(text));
    }
  }

  TEST_CASE("refuses an HTTP/1.1 request without exactly one Host") {
    CHECK(rule_of_hosts("") == "missing Host");
    CHECK(rule_of_hosts("Host: a\r\nHost: a\r\n") == "more than one Host");
    CHECK(rule_of_hosts("Host: a\r\nHost: b\r\n") == "more than one Host");
    CHECK(rule_of_hosts("Host: a\r\nhOST: a\r\n") == "more than one Host");
    CHECK(rule_of_hosts("Host: a, b\r\n") == "invalid Host");
    CHECK(rule_of_hosts("Host: u@a\r\n") == "invalid Host");
    CHECK(rule_of_hosts("Host: a/b\r\n") == "invalid Host");
    CHECK(rule_of_hosts("Host: a b\r\n") == "invalid Host");
    CHECK(rule_of_hosts("Host: a:65536\r\n") == "invalid Host");
    CHECK(rule_of_hosts("Host:\r\n") == "empty Host");
    CHECK(rule_of_hosts("Host: a\r\n") == "");
  }

  TEST_CASE("takes an HTTP/1.0 request without Host, but not with two") {
    RequestHead head;
    CHECK(rule_of("GET / HTTP/1.0\r\n\r\n", head) == "");
    CHECK(head.authority.empty());
    CHECK(rule_of("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n") == "more than one Host");
    CHECK(rule_of("GET / HTTP/1.0\r\nHost:\r\n\r\n") == "empty Host");
    CHECK(rule_of("GET / HTTP/1.0\r\nHost: a@b\r\n\r\n") == "invalid Host");
  }

  TEST_CASE("an absolute target overrides Host") {
    struct Case {
      const char* line;
      const char* authority;
      const char* target;
      const char* path;
      const char* query;
    };
    const Case cases[] = {
        {"GET http://b:81/x?y=z HTTP/1.1", "b:81", "/x?y=z", "/x", "y=z"},
        {"GET HTTPS://b/x HTTP/1.1", "b", "/x", "/x", ""},
        {"GET http://b HTTP/1.1", "b", "/", "/", ""},
        {"GET http://b/ HTTP/1.1", "b", "/", "/", ""},
        {"GET http://[::1]:80/a HTTP/1.1", "[::1]:80", "/a", "/a", ""},
        {"GET http://b/http://c/ HTTP/1.1", "b", "/http://c/", "/http://c/", ""},
        {"OPTIONS http://b HTTP/1.1", "b", "*", "*", ""},
        {"OPTIONS http://b/ HTTP/1.1", "b", "/", "/", ""},
    };
    for (const Case& c : cases) {
      for (const char* host : {"Host: a", "Host:"}) {
        const std::string bytes = c.line + "\r\n"s + host + "\r\n\r\n";
        CAPTURE(bytes);
        RequestHead head;
        REQUIRE(rule_of(bytes, head) == "");
        CHECK(head.authority == c.authority);
        CHECK(head.target == c.target);
        CHECK(head.path == c.path);
        CHECK(head.query == c.query);
      }
    }
    CHECK(rule_of("GET http://b/ HTTP/1.1\r\n\r\n") == "missing Host");
    CHECK(rule_of("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n") == "invalid Host");
  }

  TEST_CASE("leaves paths as they are") {
    for (const char* target : {"/", "//x", "/a/../b", "/%2f%00", "/?", "/??", "/a;b=c", "/a*", "/*",
                               "/http://x/", "/a:b@c"}) {
      const std::string bytes = "GET "s + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
      CAPTURE(target);
      RequestHead head;
      REQUIRE(rule_of(bytes, head) == "");
      CHECK(head.target == target);
      CHECK(head.authority == "a");
    }
  }

  TEST_CASE("takes the target * for OPTIONS only") {
    RequestHead head;
    const std::string bytes = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n";
    REQUIRE(rule_of(bytes, head) == "");
    CHECK(head.path == "*");
    CHECK(rule_of("GET * HTTP/1.1\r\nHost: a\r\n\r\n") == "request target * without OPTIONS");
    CHECK(rule_of("OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n") != "");
  }

  TEST_CASE("refuses targets that are neither a path nor an http URI") {
    for (const char* target : {"x",
                               "a:80",
                               "/a#b",
                               "/#",
                               "http://b/#c",
                               "#",
                               "http:/b",
                               "http:b",
                               "http://",
                               "http:///x",
                               "http://u@b/",
                               "http://u:p@b/",
                               "http://b:x/",
                               "http://b,c/",
                               "http://b?x",
                               "ftp://b/",
                               "ws://b/",
                               "://b/",
                               "?x",
                               "http://b:65536/",
                               "http://[::1/",
                               "file:///etc/passwd"}) {
      CAPTURE(target);
      CHECK(rule_of("GET "s + target + " HTTP/1.1\r\nHost: a\r\n\r\n") != "");
    }
  }

  TEST_CASE("refuses controls, spaces and raw 8-bit bytes in a target") {
    for (int byte = 0; byte < 256; ++byte) {
      const bool refused = byte <= 0x20 || byte >= 0x7f || byte == '#';
      const std::string target = "/a"s + static_cast<char>(byte) + "b";
      CAPTURE(byte);
      const std::string rule = rule_of("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
      CHECK((rule != "") == refused);
    }
  }
}
