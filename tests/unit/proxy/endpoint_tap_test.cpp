#include "proxy/endpoint_tap.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

struct Tapped {
  explicit Tapped(const std::string& prefix = "")
      : tap(prefix, [this](std::string_view session) {
          sessions.emplace_back(session);
          return outside.empty() ? std::string(session) : outside;
        }) {}

  // What goes on at once.
  std::string feed(std::string_view content) {
    std::string out;
    tap.feed(content, out);
    return out;
  }
  std::string finish() {
    std::string out;
    tap.finish(out);
    return out;
  }
  std::string feed_bytes(std::string_view content) {
    std::string out;
    for (std::size_t i = 0; i < content.size(); ++i)
      tap.feed(content.substr(i, 1), out);
    return out;
  }

  std::string outside;  // what the client is to read; empty: the same
  std::vector<std::string> sessions;
  EndpointTap tap;
};

using Sessions = std::vector<std::string>;

constexpr std::string_view event = "event: endpoint\ndata: /messages?sessionId=abc\n\n";

}  // namespace

TEST_SUITE("proxy/endpoint_tap") {
  TEST_CASE("learns the session and gives the prefix back, however the event is split") {
    const std::string expected = "event: endpoint\ndata: /mcp/messages?sessionId=abc\n\n";
    Tapped whole("/mcp");
    CHECK(whole.feed(event) == expected);
    CHECK(whole.sessions == Sessions{"abc"});
    CHECK(whole.tap.done());
    Tapped bytes("/mcp");
    CHECK(bytes.feed_bytes(event) == expected);
    CHECK(bytes.sessions == Sessions{"abc"});
  }

  TEST_CASE("the session is spelled as the client is to know it, and nothing else changes") {
    const auto announced = [](const std::string& uri) {
      Tapped t("/p");
      t.outside = "sealed.x";
      const std::string out = t.feed("event: endpoint\ndata: " + uri + "\n\ndata: ab\n\n");
      return out.substr(22, out.size() - 24 - 10);
    };
    CHECK(announced("/ab?sessionId=ab") == "/p/ab?sessionId=sealed.x");
    CHECK(announced("/ab?x=ab&session_id=ab&y=ab#ab") == "/p/ab?x=ab&session_id=sealed.x&y=ab#ab");
    CHECK(announced("http://ab/ab?sessionId=ab") == "http://ab/ab?sessionId=sealed.x");
    CHECK(announced("/ab?other=ab") == "/p/ab?other=ab");
    CHECK(announced("/ab#x?sessionId=ab") == "/p/ab#x?sessionId=ab");
    Tapped bytes;
    bytes.outside = "sealed.x";
    CHECK(bytes.feed_bytes(event) == "event: endpoint\ndata: /messages?sessionId=sealed.x\n\n");
  }

  TEST_CASE("holds the event until it is whole") {
    Tapped t;
    CHECK(t.feed(event.substr(0, event.size() - 1)).empty());
    CHECK(t.sessions.empty());
    CHECK_FALSE(t.tap.done());
    CHECK(t.feed("\nevent: message\n") == std::string(event) + "event: message\n");
    CHECK(t.sessions == Sessions{"abc"});
  }

  TEST_CASE("passes everything on untouched once it is done") {
    Tapped t("/mcp");
    t.feed(event);
    CHECK(t.feed(event) == event);
    CHECK(t.feed("x") == "x");
    CHECK(t.sessions.size() == 1);
  }

  TEST_CASE("comments before the event are not held") {
    Tapped t("/p");
    CHECK(t.feed(": hello\n\n") == ": hello\n\n");
    CHECK(t.feed(": ping\r\n\r\nevent: end") == ": ping\r\n\r\n");
    CHECK(t.feed("point\r\ndata: /m\r\n\r\n") == "event: endpoint\r\ndata: /p/m\r\n\r\n");
  }

  TEST_CASE("a comment whose line end is split loses no byte") {
    Tapped t;
    std::string all = t.feed(": a\r");
    all += t.feed("\n\r");
    all += t.feed("\n");
    all += t.feed(event);
    CHECK(all == ": a\r\n\r\n" + std::string(event));
    CHECK(t.sessions == Sessions{"abc"});
  }

  TEST_CASE("another stream is let go within a few bytes") {
    for (const char* start : {"data: {}", "id: 1\n", "event: message\n", "{", "event: endpoints"}) {
      CAPTURE(start);
      Tapped t("/mcp");
      CHECK(t.feed_bytes(start) == start);
      CHECK(t.tap.done());
      CHECK(t.sessions.empty());
    }
  }

  TEST_CASE("only a path gets the prefix") {
    const auto announced = [](const std::string& prefix, const std::string& uri) {
      Tapped t(prefix);
      const std::string out = t.feed("event: endpoint\ndata: " + uri + "\n\n");
      return out.substr(22, out.size() - 24);
    };
    CHECK(announced("/p", "/m?a") == "/p/m?a");
    CHECK(announced("", "/m?a") == "/m?a");
    CHECK(announced("/p", "//host/m") == "//host/m");
    CHECK(announced("/p", "http://host/m") == "http://host/m");
    CHECK(announced("/p", "messages") == "messages");
    CHECK(announced("/p", "?sessionId=x") == "?sessionId=x");
  }

  TEST_CASE("the session is what the announced query names, without its fragment") {
    const auto sessions_in = [](const std::string& uri) {
      Tapped t;
      t.feed("event: endpoint\ndata: " + uri + "\n\n");
      return t.sessions;
    };
    CHECK(sessions_in("/m?sessionId=a1") == Sessions{"a1"});
    CHECK(sessions_in("/m?x=1&session_id=b2&y") == Sessions{"b2"});
    CHECK(sessions_in("http://host/m?sessionId=c3#top") == Sessions{"c3"});
    CHECK(sessions_in("/m").empty());
    CHECK(sessions_in("/m?other=1").empty());
    CHECK(sessions_in("/m?sessionId=").empty());
  }

  TEST_CASE("what never becomes whole goes on when it is too long or the stream ends") {
    const std::string start = "event: endpoint\ndata: /";
    Tapped too_long("/p");
    CHECK(too_long.feed(start + std::string(limits::endpoint_event_bytes_max, 'x')).size() ==
          start.size() + limits::endpoint_event_bytes_max);
    CHECK(too_long.tap.done());
    Tapped ended("/p");
    CHECK(ended.feed(start).empty());
    CHECK(ended.finish() == start);
    CHECK(ended.finish().empty());
    CHECK(ended.tap.done());
    CHECK(ended.sessions.empty());
  }
}
