#include <cstdint>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"

using namespace std::string_literals;
using mcplb::Error;
using mcplb::http::Framing;
using mcplb::http::Method;
using mcplb::http::ReplyHead;
using mcplb::http::Settings;

namespace {

std::string reply(const std::string& lines, const char* start = "HTTP/1.1 200 OK") {
  return start + "\r\n"s + lines + "\r\n";
}

bool refuses_reply(const std::string& bytes) {
  ReplyHead head;
  const auto parsed = parse_reply_head(bytes, Method::post, Settings{}, head);
  if (parsed) return false;
  CHECK(parsed.error().kind == Error::Kind::malformed);
  CHECK(parsed.error().side == Error::Side::backend);
  CHECK(parsed.error().what != ""s);
  return true;
}

}  // namespace

TEST_SUITE("http/reply_head") {
  TEST_CASE("reads the parts of a reply") {
    const std::string bytes =
        "HTTP/1.1 404 Not \t Found\x80\r\nContent-Type: Text/Event-Stream ; charset=utf-8\r\n"
        "Keep-Alive: max=3, Timeout=17\r\nContent-Length: 4\r\n\r\n";
    ReplyHead head;
    REQUIRE(parse_reply_head(bytes, Method::get, Settings{}, head));
    CHECK(head.status == 404);
    CHECK(head.reason == "Not \t Found\x80");
    CHECK(head.minor_version == 1);
    CHECK(head.framing == Framing::length);
    CHECK(head.content_length == 4);
    CHECK(head.has_content_length);
    CHECK(head.keep_alive);
    CHECK(head.keep_alive_timeout_s == 17);
    CHECK(head.event_stream);
    CHECK(head.fields.size() == 3);
  }

  TEST_CASE("a reused head keeps nothing of the reply before") {
    ReplyHead head;
    const std::string first = reply(
        "Content-Type: text/event-stream\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: "
        "chunked\r\n");
    REQUIRE(parse_reply_head(first, Method::get, Settings{}, head));
    CHECK(head.framing == Framing::chunked);
    REQUIRE(parse_reply_head("HTTP/1.0 200\r\n\r\n", Method::get, Settings{}, head));
    CHECK(head.reason.empty());
    CHECK(head.framing == Framing::until_close);
    CHECK(head.keep_alive_timeout_s == 0);
    CHECK_FALSE(head.event_stream);
    CHECK(head.fields.size() == 0);
  }

  TEST_CASE("takes only text/event-stream for an event stream") {
    for (const char* type : {"text/event-streams", "text/plain", "text/event-stream2; a", ""}) {
      const std::string bytes = reply("Content-Type: "s + type + "\r\n");
      ReplyHead head;
      REQUIRE(parse_reply_head(bytes, Method::get, Settings{}, head));
      CHECK_FALSE(head.event_stream);
    }
  }

  TEST_CASE("refuses status lines that are not version, three digits, reason") {
    for (const char* line : {"HTTP/1.1 099 x",
                             "HTTP/1.1 600 x",
                             "HTTP/1.1 999 x",
                             "HTTP/1.1 20 x",
                             "HTTP/1.1 2000 x",
                             "HTTP/1.1 2x0 x",
                             "HTTP/1.1 +20 x",
                             "HTTP/1.1  200 x",
                             "HTTP/1.1\t200 x",
                             "HTTP/1.1200 x",
                             "HTTP/1.1 200x",
                             "HTTP/1.1 200\tx",
                             "HTTP/1.1",
                             "HTTP/1.1 ",
                             "HTTP/1.2 200 x",
                             "HTTP/2.0 200 x",
                             "HTTP/0.9 200 x",
                             "http/1.1 200 x",
                             "HTTP/1.1x 200 x",
                             "ICY 200 OK",
                             "RTSP/1.0 200 OK",
                             " HTTP/1.1 200 OK",
                             "\r\nHTTP/1.1 200 OK",
                             "GET / HTTP/1.1",
                             "HTTP/1.1 101 Switching Protocols"}) {
      CAPTURE(line);
      CHECK(refuses_reply(reply("Content-Length: 0\r\n", line)));
    }
  }

  TEST_CASE("takes an empty reason, with and without the space before it") {
    for (const char* line : {"HTTP/1.1 200", "HTTP/1.1 200 "}) {
      ReplyHead head;
      const std::string bytes = reply("Content-Length: 0\r\n", line);
      REQUIRE(parse_reply_head(bytes, Method::get, Settings{}, head));
      CHECK(head.status == 200);
      CHECK(head.reason.empty());
    }
  }

  TEST_CASE("knows where a reply's body ends") {
    struct Case {
      const char* start;
      const char* lines;
      Method method;
      Framing framing;
      bool has_length;
      std::uint64_t length;
      bool keep_alive;
    };
    const char* const ok = "HTTP/1.1 200 OK";
    const Case cases[] = {
        {ok, "Content-Length: 7\r\n", Method::get, Framing::length, true, 7, true},
        {ok, "Transfer-Encoding: Chunked\r\n", Method::get, Framing::chunked, false, 0, true},
        {ok, "", Method::get, Framing::until_close, false, 0, false},
        {ok, "Connection: keep-alive\r\n", Method::get, Framing::until_close, false, 0, false},
        {ok, "Content-Length: 7\r\n", Method::head, Framing::none, true, 7, true},
        {ok, "Transfer-Encoding: chunked\r\n", Method::head, Framing::none, false, 0, true},
        {ok, "", Method::head, Framing::none, false, 0, true},
        {"HTTP/1.1 304 x", "Content-Length: 7\r\n", Method::get, Framing::none, true, 7, true},
        {"HTTP/1.1 204 x", "", Method::get, Framing::none, false, 0, true},
        {"HTTP/1.1 204 x", "Content-Length: 0\r\n", Method::get, Framing::none, false, 0, true},
        {"HTTP/1.1 100 x", "", Method::get, Framing::none, false, 0, true},
        {"HTTP/1.1 103 x", "Link: a\r\n", Method::get, Framing::none, false, 0, true},
        {"HTTP/1.1 205 x", "Content-Length: 0\r\n", Method::get, Framing::length, true, 0, true},
    };
    for (const Case& c : cases) {
      const std::string bytes = reply(c.lines, c.start);
      CAPTURE(bytes);
      ReplyHead head;
      REQUIRE(parse_reply_head(bytes, c.method, Settings{}, head));
      CHECK(head.framing == c.framing);
      CHECK(head.has_content_length == c.has_length);
      CHECK(head.content_length == c.length);
      CHECK(head.keep_alive == c.keep_alive);
    }
  }

  TEST_CASE("refuses a body announced by a status that has none") {
    for (const char* start : {"HTTP/1.1 100 x", "HTTP/1.1 103 x", "HTTP/1.1 204 x"}) {
      CAPTURE(start);
      CHECK(refuses_reply(reply("Content-Length: 5\r\n", start)));
      CHECK(refuses_reply(reply("Transfer-Encoding: chunked\r\n", start)));
    }
    CHECK(refuses_reply(reply("Content-Length: 0\r\n", "HTTP/1.1 100 x")));
  }

  TEST_CASE("refuses more header lines than the settings allow") {
    Settings settings;
    settings.headers_max = 1;
    ReplyHead head;
    const auto parsed =
        parse_reply_head("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n", Method::get, settings, head);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == Error::Kind::head_too_large);
    CHECK(parsed.error().side == Error::Side::backend);
  }
}
