#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"

using namespace std::string_literals;
using mcplb::Error;
using mcplb::http::Framing;
using mcplb::http::Method;
using mcplb::http::Name;
using mcplb::http::ReplyHead;
using mcplb::http::RequestHead;
using mcplb::http::Settings;

namespace {

std::string request(const std::string& lines, const char* version = "1.1") {
  return "POST / HTTP/"s + version + "\r\nHost: a\r\n" + lines + "\r\n";
}

std::string reply(const std::string& lines, const char* start = "HTTP/1.1 200 OK") {
  return start + "\r\n"s + lines + "\r\n";
}

bool refuses(const std::string& bytes) {
  RequestHead head;
  const auto parsed = parse_request_head(bytes, Settings{}, head);
  if (parsed) return false;
  CHECK(parsed.error().kind == Error::Kind::malformed);
  CHECK(parsed.error().side == Error::Side::client);
  CHECK(parsed.error().what != ""s);
  return true;
}

bool refuses_reply(const std::string& bytes, Method request_method = Method::post) {
  ReplyHead head;
  const auto parsed = parse_reply_head(bytes, request_method, Settings{}, head);
  if (parsed) return false;
  CHECK(parsed.error().kind == Error::Kind::malformed);
  CHECK(parsed.error().side == Error::Side::backend);
  CHECK(parsed.error().what != ""s);
  return true;
}

// Refused on both sides.
const char* const broken_body_fields[] = {
    "Content-Length: 5\r\nContent-Length: 5\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Content-Length: 0\r\ncontent-length: 0\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: 5,\r\n",
    "Content-Length:\r\n",
    "Content-Length: \r\n",
    "Content-Length:\r\nContent-Length: 5\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: -5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: 5_0\r\n",
    "Content-Length: 5 0\r\n",
    "Content-Length: 5.0\r\n",
    "Content-Length: a\r\n",
    "Content-Length: 5a\r\n",
    "Content-Length: \"5\"\r\n",
    "Content-Length: 05\r\n",
    "Content-Length: 00\r\n",
    "Content-Length: 5\x80\r\n",
    "Content-Length: 5\t\r\n",
    "Content-Length:\t5\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length: 99999999999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding:\r\n",
    "Transfer-Encoding:\r\nContent-Length: 5\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity, chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: ,chunked\r\n",
    "Transfer-Encoding: chunked,\r\n",
    "Transfer-Encoding: chunked;q=1\r\n",
    "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: chunkedx\r\n",
    "Transfer-Encoding: chunked \x80\r\n",
    "Transfer-Encoding: chu nked\r\n",
    "Transfer-Encoding: chunked\t\r\n",
    "Transfer-Encoding: \vchunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
};

}  // namespace

TEST_SUITE("http/parser") {
  TEST_CASE("rejects a head with both Content-Length and Transfer-Encoding") {
    CHECK(refuses(request("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")));
    CHECK(refuses_reply(reply("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")));
  }
}

TEST_SUITE("http/framing") {
  TEST_CASE("refuses body fields that two parsers could read differently") {
    for (const char* lines : broken_body_fields) {
      CAPTURE(lines);
      CHECK(refuses(request(lines)));
      CHECK(refuses_reply(reply(lines)));
      CHECK(refuses_reply(reply(lines), Method::head));
    }
  }

  TEST_CASE("refuses Transfer-Encoding in HTTP/1.0") {
    CHECK(refuses(request("Transfer-Encoding: chunked\r\n", "1.0")));
    CHECK(refuses_reply(reply("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK")));
  }

  TEST_CASE("takes one plain length or one chunked coding") {
    struct Case {
      const char* lines;
      Framing framing;
      std::uint64_t length;
    };
    const Case cases[] = {
        {"", Framing::none, 0},
        {"Content-Length: 0\r\n", Framing::length, 0},
        {"Content-Length: 10\r\n", Framing::length, 10},
        {"content-length:   10  \r\n", Framing::length, 10},
        {"Content-Length: 18446744073709551615\r\n", Framing::length, 18446744073709551615U},
        {"Transfer-Encoding: chunked\r\n", Framing::chunked, 0},
        {"TRANSFER-ENCODING:ChUnKeD \r\n", Framing::chunked, 0},
    };
    for (const Case& c : cases) {
      for (const char* method : {"POST", "GET", "HEAD", "DELETE", "OPTIONS"}) {
        const std::string bytes = method + " / HTTP/1.1\r\nHost: a\r\n"s + c.lines + "\r\n";
        CAPTURE(bytes);
        RequestHead head;
        REQUIRE(parse_request_head(bytes, Settings{}, head));
        CHECK(head.framing == c.framing);
        CHECK(head.content_length == c.length);
      }
    }
  }

  TEST_CASE("keeps the connection as version and Connection say") {
    struct Case {
      const char* version;
      const char* connection;
      bool keep_alive;
    };
    const Case cases[] = {
        {"1.1", "", true},
        {"1.1", "Connection: close\r\n", false},
        {"1.1", "Connection: x,\tCLOSE ,\r\n", false},
        {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
        {"1.1", "Connection: closed\r\n", true},
        {"1.1", "X: close\r\n", true},
        {"1.0", "", false},
        {"1.0", "Connection: Keep-Alive\r\n", true},
        {"1.0", "Connection: keep-alive, close\r\n", false},
        {"1.0", "Connection: x\r\n", false},
    };
    for (const Case& c : cases) {
      CAPTURE(c.version);
      CAPTURE(c.connection);
      RequestHead head;
      const std::string bytes = request(c.connection, c.version);
      REQUIRE(parse_request_head(bytes, Settings{}, head));
      CHECK(head.keep_alive == c.keep_alive);
      ReplyHead reply_head;
      const std::string start = "HTTP/"s + c.version + " 200 OK";
      const std::string reply_bytes = reply("Content-Length: 0\r\n"s + c.connection, start.c_str());
      REQUIRE(parse_reply_head(reply_bytes, Method::get, Settings{}, reply_head));
      CHECK(reply_head.keep_alive == c.keep_alive);
    }
  }

  TEST_CASE("knows the expectation 100-continue and refuses any other") {
    RequestHead head;
    const std::string bytes = request("Expect: 100-Continue\r\nContent-Length: 1\r\n");
    REQUIRE(parse_request_head(bytes, Settings{}, head));
    CHECK(head.expects_continue);
    const std::string old = request("Expect: 100-continue\r\nContent-Length: 1\r\n", "1.0");
    REQUIRE(parse_request_head(old, Settings{}, head));
    CHECK_FALSE(head.expects_continue);
    CHECK(refuses(request("Expect: 100-continue, x\r\n")));
    CHECK(refuses(request("Expect: 200-ok\r\n")));
    CHECK(refuses(request("Expect:\r\n")));
    CHECK(refuses(request("Expect: 100-continue\r\nExpect: 100-continue\r\n")));
  }

  TEST_CASE("sees whether the client takes trailers") {
    RequestHead head;
    const std::string bytes = request("TE: deflate;q=0.5, Trailers\r\n");
    REQUIRE(parse_request_head(bytes, Settings{}, head));
    CHECK(head.accepts_trailers);
    const std::string without = request("TE: deflate\r\n");
    REQUIRE(parse_request_head(without, Settings{}, head));
    CHECK_FALSE(head.accepts_trailers);
  }
}
