#include "config/checks.hpp"

#include <doctest/doctest.h>

namespace mcplb::config {
namespace {

std::string wrong(Check check, std::string text) {
  return check(text);
}

std::string canonical(Check check, std::string text) {
  REQUIRE(check(text) == "");
  return text;
}

}  // namespace

TEST_SUITE("config/checks") {
  TEST_CASE("listen addresses have the form host:port, [v6]:port or unix:/path") {
    for (const char* text : {"127.0.0.1:8080", "0.0.0.0:0", "[::]:8080", "[::1]:65535",
                             "localhost:80", "unix:/run/mcplb.sock"}) {
      CAPTURE(text);
      CHECK(wrong(check_listen_address, text) == "");
    }
    for (const char* text : {"", "8080", "127.0.0.1", ":8080", "*:8080", "::1:8080", "[::1]",
                             "[::1:8080", "[nonsense]:1", "256.0.0.1:80", "1.2.3:80", "host:",
                             "host:65536", "host:-1", "ho st:80", "unix:", "unix:relative"}) {
      CAPTURE(text);
      CHECK(wrong(check_listen_address, text) != "");
    }
    CHECK(wrong(check_listen_address, "unix:/" + std::string(200, 'x')) != "");
  }

  TEST_CASE("backend URLs become http(s)://host:port") {
    CHECK(canonical(check_backend_url, "http://server:3000") == "http://server:3000");
    CHECK(canonical(check_backend_url, "http://server:3000/") == "http://server:3000");
    CHECK(canonical(check_backend_url, "http://server") == "http://server:80");
    CHECK(canonical(check_backend_url, "HTTP://[::1]:3000") == "http://[::1]:3000");
    CHECK(canonical(check_backend_url, "https://server:3443") == "https://server:3443");
    CHECK(canonical(check_backend_url, "HTTPS://server/") == "https://server:443");
    CHECK(canonical(check_backend_url, "http://my_server-1.lan:1") == "http://my_server-1.lan:1");
  }

  TEST_CASE("what a backend URL may not have is named") {
    const auto says = [](const char* url, const char* part) {
      CAPTURE(url);
      const std::string message = wrong(check_backend_url, url);
      CAPTURE(message);
      CHECK(message.find(part) != std::string::npos);
    };
    says("server:3000", "wants a URL: http://host:port");
    says("http://server:3000/mcp", "\"/mcp\" does not belong here");
    says("http://server?x=1", "\"?x=1\" does not belong here");
    says("http://user:pw@server", "user or password");
    says("http://::1:3000", "IPv6 in brackets");
    says("http://", "no host:port");
    says("http://server:0", "no port from 1 to 65535");
    says("http://server:x", "no port from 1 to 65535");
  }

  TEST_CASE("the password of a URL is not repeated") {
    CHECK(wrong(check_backend_url, "http://u:hunter2@h").find("hunter2") == std::string::npos);
  }

  TEST_CASE("networks are CIDRs or addresses") {
    for (const char* text :
         {"10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::/128", "192.168.1.1", "::1"}) {
      CAPTURE(text);
      CHECK(wrong(check_network, text) == "");
    }
    for (const char* text : {"", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/", "/8",
                             "10.0.0.0/x", "10.0.0.0/-1"}) {
      CAPTURE(text);
      CHECK(wrong(check_network, text) != "");
    }
  }

  TEST_CASE("hash_on names a source, and headers and cookies by name") {
    for (const char* text : {"session", "client_ip", "header:X-User", "cookie:id"}) {
      CAPTURE(text);
      REQUIRE(wrong(check_hash_on, text) == "");
      CHECK(hash_on_text(parse_hash_on(text)) == text);
    }
    for (const char* text : {"", "header", "header:", "cookie:a b", "session:x", "ip"}) {
      CAPTURE(text);
      CHECK(wrong(check_hash_on, text) != "");
    }
  }

  TEST_CASE("route hosts are exact, *.suffix or *, in lower case") {
    CHECK(canonical(check_route_host, "MCP.Example.org") == "mcp.example.org");
    CHECK(canonical(check_route_host, "*.Example.org") == "*.example.org");
    CHECK(canonical(check_route_host, "*") == "*");
    CHECK(canonical(check_route_host, "[::1]") == "[::1]");
    for (const char* text : {"", "a.*", "host:8080", "**", "*.", "a b", "http://host"}) {
      CAPTURE(text);
      CHECK(wrong(check_route_host, text) != "");
    }
  }

  TEST_CASE("route paths begin with a slash and have no query") {
    CHECK(wrong(check_route_path, "/") == "");
    CHECK(wrong(check_route_path, "/a/b") == "");
    for (const char* text : {"", "a", "/a?b", "/a#b", "/a b"}) {
      CAPTURE(text);
      CHECK(wrong(check_route_path, text) != "");
    }
  }

  TEST_CASE("targets of checks begin with a slash, may have a query, and may be left out") {
    for (const char* const text : {"", "/", "/health?deep=1"}) {
      CHECK(wrong(check_target, text) == "");
    }
    for (const char* const text : {"health", "http://h/health", "/a b", "/a\r\nX: y", "/a#b"}) {
      CAPTURE(text);
      CHECK(wrong(check_target, text) != "");
    }
  }

  TEST_CASE("the Host header of checks is a host with or without a port") {
    for (const char* const text : {"", "h", "mcp.example:8080", "[::1]:3000", "127.0.0.1"}) {
      CHECK(wrong(check_host_header, text) == "");
    }
    for (const char* const text : {"h:x", "h\r\nX: y", "http://h", "a b", "h:99999"}) {
      CAPTURE(text);
      CHECK(wrong(check_host_header, text) != "");
    }
  }

  TEST_CASE("names stay within URLs, metrics and POOL/BACKEND") {
    CHECK(wrong(check_name, "mcp-server_1.lan:3000") == "");
    CHECK(wrong(check_name, "[::1]:3000") == "");
    for (const char* text : {"a/b", "a b", "a\"b", "ä", "a,b"}) {
      CAPTURE(text);
      CHECK(wrong(check_name, text) != "");
    }
    CHECK(wrong(check_name, std::string(256, 'a')) != "");
  }

  TEST_CASE("a mistyped word is not taken for the path of an access log") {
    CHECK(wrong(check_access_log, "off") == "");
    CHECK(wrong(check_access_log, "stdout") == "");
    CHECK(wrong(check_access_log, "/var/log/access") == "");
    CHECK(wrong(check_access_log, "access.log") == "");
    CHECK(wrong(check_access_log, "stderr") != "");
    CHECK(wrong(check_access_log, "") != "");
  }

  TEST_CASE("secrets have at least sixteen characters, and the message repeats none") {
    CHECK(wrong(check_secret, "0123456789abcdef") == "");
    CHECK(wrong(check_secret, std::string(200, 'x')) == "");
    CHECK(wrong(check_secret, "hunter2").find("at least 16 characters") != std::string::npos);
    CHECK(wrong(check_secret, "hunter2").find("hunter2") == std::string::npos);
    CHECK(wrong(check_secret, "") != "");
  }

  TEST_CASE("loopback is recognised in every form") {
    for (const char* text : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1",
                             "[::ffff:127.0.0.1]:1", "unix:/x"}) {
      CAPTURE(text);
      CHECK(is_loopback(text));
    }
    for (const char* text :
         {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.example.org:1", "[::ffff:10.0.0.1]:1"}) {
      CAPTURE(text);
      CHECK_FALSE(is_loopback(text));
    }
  }
}

}  // namespace mcplb::config
