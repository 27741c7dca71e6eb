#include "mcplb/http/parser.hpp"

#include <cctype>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace std::string_literals;
using mcplb::Error;
using mcplb::Result;
using mcplb::http::Framing;
using mcplb::http::HeadScanner;
using mcplb::http::Method;
using mcplb::http::Name;
using mcplb::http::RequestHead;
using mcplb::http::Settings;

namespace {

// As a connection does it: the scanner first. `bytes` must live as long as `out`.
Result<void> read_head(std::string_view bytes, RequestHead& out) {
  HeadScanner scanner;
  const auto size = scanner.scan(bytes);
  if (!size) return size.error();
  if (*size == 0) return Error{Error::Kind::closed, Error::Side::client, 0, "incomplete"};
  return parse_request_head(bytes.substr(0, *size), Settings{}, out);
}

std::string with_host(const std::string& lines) {
  return "POST /mcp HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n";
}

std::string with_line(const std::string& request_line) {
  return request_line + "\r\nHost: a\r\n\r\n";
}

// The broken rule, or "" for a head that is taken.
std::string rule_of(const std::string& bytes) {
  RequestHead head;
  const auto parsed = read_head(bytes, head);
  if (parsed) return "";
  CHECK(parsed.error().kind == Error::Kind::malformed);
  CHECK(parsed.error().side == Error::Side::client);
  return parsed.error().what;
}

}  // namespace

TEST_SUITE("http/parser") {
  TEST_CASE("reads the parts of a request") {
    const std::string bytes =
        "POST /mcp?a=b?c HTTP/1.1\r\nHost: example.com:8080\r\nContent-Type:application/json\r\n"
        "X-Empty:\r\nX-Spaces: \t a \t b \t\r\nmcp-session-ID: s1\r\nContent-Length: 12\r\n\r\n";
    RequestHead head;
    REQUIRE(read_head(bytes, head));
    CHECK(head.method == Method::post);
    CHECK(head.method_text == "POST");
    CHECK(head.target == "/mcp?a=b?c");
    CHECK(head.path == "/mcp");
    CHECK(head.query == "a=b?c");
    CHECK(head.authority == "example.com:8080");
    CHECK(head.minor_version == 1);
    CHECK(head.framing == Framing::length);
    CHECK(head.content_length == 12);
    CHECK(head.keep_alive);
    CHECK(head.fields.size() == 6);
    CHECK(head.fields.get(Name::content_type) == "application/json");
    CHECK(head.fields.get(Name::mcp_session_id) == "s1");
    CHECK(head.fields.get("x-spaces") == "a \t b");
    CHECK(head.fields.get("X-EMPTY").empty());
    CHECK(head.fields.begin()->name == "Host");
  }

  TEST_CASE("knows which lines came as they would be written") {
    const std::string bytes =
        with_host("Plain: a b\r\nTight:a\r\nWide:  a\r\nTab:\ta\r\nTail: a \r\n"
                  "Empty: \r\nLast: z\r\n");
    RequestHead head;
    REQUIRE(read_head(bytes, head));
    std::string plain;
    for (const auto& field : head.fields) {
      if (field.plain) plain.append(field.name).append(" ");
    }
    CHECK(plain == "Host Plain Last ");
  }

  TEST_CASE("a field's first value and its count are those of its name alone") {
    const std::string bytes =
        with_host("Accept: 1\r\nCookie: a\r\naccept: 2\r\nCOOKIE: b\r\nTE: x\r\n");
    RequestHead head;
    REQUIRE(read_head(bytes, head));
    CHECK(head.fields.get(Name::accept) == "1");
    CHECK(head.fields.get(Name::cookie) == "a");
    CHECK(head.fields.count(Name::cookie) == 2);
    CHECK(head.fields.count(Name::te) == 1);
    CHECK(head.fields.count(Name::date) == 0);
    const std::string next = with_host("Cookie: c\r\n");
    REQUIRE(read_head(next, head));
    CHECK(head.fields.count(Name::cookie) == 1);
    CHECK(head.fields.get(Name::cookie) == "c");
    CHECK(head.fields.get(Name::accept).empty());
  }

  TEST_CASE("a reused head keeps nothing of the request before") {
    const std::string first =
        "PUT http://b/x?y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        "Expect: 100-continue\r\nTE: trailers\r\nConnection: close\r\n\r\n";
    RequestHead head;
    REQUIRE(read_head(first, head));
    CHECK(head.expects_continue);
    CHECK(head.accepts_trailers);
    REQUIRE(read_head("GET / HTTP/1.0\r\n\r\n", head));
    CHECK(head.method == Method::get);
    CHECK(head.authority.empty());
    CHECK(head.query.empty());
    CHECK(head.framing == Framing::none);
    CHECK_FALSE(head.expects_continue);
    CHECK_FALSE(head.accepts_trailers);
    CHECK(head.fields.size() == 0);
    CHECK_FALSE(head.fields.has(Name::host));
  }

  TEST_CASE("skips one empty line before the request line") {
    const std::string bytes = "\r\n" + with_host("");
    RequestHead head;
    REQUIRE(read_head(bytes, head));
    CHECK(head.method_text == "POST");
  }

  TEST_CASE("names the methods that it knows and passes on the others") {
    struct Case {
      const char* text;
      Method method;
    };
    const Case cases[] = {
        {"GET", Method::get},     {"HEAD", Method::head},      {"POST", Method::post},
        {"PUT", Method::put},     {"DELETE", Method::del},     {"OPTIONS", Method::options},
        {"PATCH", Method::patch}, {"PROPFIND", Method::other}, {"M-SEARCH", Method::other},
    };
    for (const Case& c : cases) {
      const std::string bytes = with_line(c.text + " / HTTP/1.1"s);
      CAPTURE(bytes);
      RequestHead head;
      REQUIRE(read_head(bytes, head));
      CHECK(head.method == c.method);
      CHECK(head.method_text == c.text);
    }
  }

  TEST_CASE("refuses a request line that is not method, target, version with single spaces") {
    for (const char* line :
         {"GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", "GET /", "GET", "GET ", "/",
          "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1", "GET / HTTP/1.1\t", "GET / b HTTP/1.1",
          "GET / HTTP /1.1", "HTTP/1.1 200 OK"}) {
      CAPTURE(line);
      CHECK(rule_of(with_line(line)) != "");
    }
  }

  TEST_CASE("refuses every version but HTTP/1.0 and HTTP/1.1") {
    for (const char* version :
         {"HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/1", "HTTP/2", "HTTP/11", "HTTP/1.10",
          "HTTP/01.1", "http/1.1", "HTTP/1,1", "HTTP-1.1", "ICE/1.0", "RTSP/1.0", "HTTP/"}) {
      CAPTURE(version);
      CHECK(rule_of(with_line("GET / "s + version)) != "");
    }
    CHECK(rule_of(with_line("SOURCE / ICE/1.0")) != "");
    CHECK(rule_of(with_line("DESCRIBE / RTSP/1.0")) != "");
    CHECK(rule_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") != "");
  }

  TEST_CASE("refuses methods that it does not know or serve") {
    for (const char* line : {"FOO / HTTP/1.1", "get / HTTP/1.1", "GET@ / HTTP/1.1",
                             "CONNECT a:80 HTTP/1.1", "CONNECT / HTTP/1.1", "TRACE / HTTP/1.1",
                             "PRI / HTTP/1.1", "DESCRIBE / HTTP/1.1", "GE / HTTP/1.1"}) {
      CAPTURE(line);
      CHECK(rule_of(with_line(line)) != "");
    }
    CHECK(rule_of(with_line("TRACE / HTTP/1.1")) == "CONNECT and TRACE are not served");
  }

  TEST_CASE("refuses every byte in a header name that is no token character") {
    for (int byte = 0; byte < 256; ++byte) {
      const bool token = std::isalnum(byte) != 0 ||
                         "!#$%&'*+-.^_`|~"s.find(static_cast<char>(byte)) != std::string::npos;
      if (byte == ':') continue;  // it ends the name
      CAPTURE(byte);
      CHECK((rule_of(with_host("X"s + static_cast<char>(byte) + "y: 1\r\n")) == "") == token);
      CHECK((rule_of(with_host(static_cast<char>(byte) + "y: 1\r\n"s)) == "") == token);
      CHECK((rule_of(with_host("y"s + static_cast<char>(byte) + ": 1\r\n")) == "") == token);
    }
  }

  TEST_CASE("takes obs-text and tabs in a header value, and no other control") {
    for (int byte = 0; byte < 256; ++byte) {
      const bool taken = (byte >= 0x20 && byte != 0x7f) || byte == '\t';
      CAPTURE(byte);
      CHECK((rule_of(with_host("X: a"s + static_cast<char>(byte) + "b\r\n")) == "") == taken);
    }
  }

  TEST_CASE("refuses header lines without a name or a colon, and folded ones") {
    for (const char* lines :
         {"X\r\n", "X\r\nY: a\r\n", "a-name-of-more-than-sixteen-letters\r\nY: a\r\n", ": a\r\n",
          "X: a\r\n b\r\n", "X: a\r\n\tb\r\n", " X: a\r\n",
          "Content-Length: 1\r\n 2\r\n", "Content-Length:\r\n 2\r\n", "Content-Length : 2\r\n",
          "Transfer-Encoding : chunked\r\n", "Transfer-Encoding:\r\n chunked\r\n", "X y: a\r\n"}) {
      CAPTURE(lines);
      CHECK(rule_of(with_host(lines)) != "");
    }
  }

  TEST_CASE("never takes a name with an underscore for a known one") {
    RequestHead head;
    const std::string bytes =
        with_host("Content_Length: 5\r\nMcp_Session_Id: x\r\nTransfer_Encoding: chunked\r\n");
    REQUIRE(read_head(bytes, head));
    CHECK(head.framing == Framing::none);
    CHECK_FALSE(head.fields.has(Name::content_length));
    CHECK_FALSE(head.fields.has(Name::mcp_session_id));
    CHECK_FALSE(head.fields.has(Name::transfer_encoding));
    CHECK(head.fields.get("mcp_session_id") == "x");
  }

  TEST_CASE("never follows an upgrade") {
    const std::string bytes = with_host(
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
        "Content-Length: 3\r\n");
    RequestHead head;
    REQUIRE(read_head(bytes, head));
    CHECK(head.framing == Framing::length);
    CHECK(head.content_length == 3);
    CHECK(head.keep_alive);
  }

  TEST_CASE("refuses more header lines than the settings allow") {
    Settings settings;
    settings.headers_max = 2;
    RequestHead head;
    const std::string_view two = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    CHECK(parse_request_head(two, settings, head));
    const std::string_view three = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: c\r\n\r\n";
    const auto parsed = parse_request_head(three, settings, head);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == Error::Kind::head_too_large);
    CHECK(parsed.error().side == Error::Side::client);
  }
}
