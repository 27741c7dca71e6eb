#include "unit/proxy/relayed.hpp"

#include <algorithm>
#include <array>

using namespace mcplb;
using namespace mcplb::proxy;

TEST_SUITE("proxy/relay event streams") {
  TEST_CASE("a silent stream gets a comment at each heartbeat") {
    EventStream e;
    e.start(chunked_head + chunk("data: 1\n\n"));
    CHECK(e.got() == our_head + chunk("data: 1\n\n"));
    CHECK(e.advance(14'900).empty());
    CHECK(e.advance(200) == chunk(":\n\n"));
    CHECK(e.advance(14'800).empty());
    CHECK(e.advance(300) == chunk(":\n\n"));
    e.send(chunk("data: 2\n\n"));
    CHECK(e.got() == chunk("data: 2\n\n"));
    CHECK(e.advance(14'900).empty());
    CHECK(e.client_bytes ==
          our_head.size() + 2 * chunk("data: 1\n\n").size() + 2 * chunk(":\n\n").size());
  }

  TEST_CASE("no comment is put inside an event or a line") {
    for (const char* part : {"data: 1", "data: 1\n", "data: 1\nid: 2\r\n", "data: 1\r", ": half"}) {
      CAPTURE(part);
      EventStream e;
      e.start(chunked_head + chunk(part));
      CHECK(e.got() == our_head + chunk(part));
      CHECK(e.advance(50'000).empty());
      e.send(chunk("\n\n"));
      CHECK(e.got() == chunk("\n\n"));
      CHECK(e.advance(15'100) == chunk(":\n\n"));
    }
  }

  TEST_CASE("a comment is unframed where the body is") {
    EventStream e;
    e.settings.framing = ClientFraming::until_close;
    e.start(chunked_head + chunk("data: 1\n\n"));
    e.got();
    CHECK(e.advance(15'100) == ":\n\n");
  }

  TEST_CASE("there are no comments without a heartbeat or in another body") {
    EventStream none(0);
    none.start(chunked_head);
    CHECK(none.advance(59'000) == our_head);
    EventStream other;
    other.settings.event_stream = false;
    other.start(chunked_head);
    CHECK(other.advance(59'000) == our_head);
  }

  TEST_CASE("our comments do not hide that the backend is silent for too long") {
    EventStream e;
    e.start(chunked_head);
    e.got();
    e.advance(60'100);
    CHECK(e.ended_as(RelayEnd::backend_broke));
    CHECK(e.relay->error().kind == Error::Kind::timeout);
  }

  TEST_CASE("what comes while a comment waits for the client goes out behind it") {
    EventStream e;
    e.start(chunked_head + chunk("data: 1\n\n"));
    e.got();
    e.client_pipe.near->hold_at_most(1);
    e.clock.advance(milliseconds(15'100));
    e.backend_end().post(chunk("data: 2\n\n") + "0\r\n\r\n");
    e.end();
    std::string all;
    for (std::string more = e.got(); !more.empty(); more = e.got())
      all += more;
    CHECK(all == chunk(":\n\n") + chunk("data: 2\n\n") + "0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::complete));
  }

  TEST_CASE("a stop that comes while the head waits for the client is heeded") {
    EventStream e;
    e.client_pipe.near->hold_at_most(1);
    e.start(chunked_head);
    e.ask(InFlight::Wish::stop);
    e.clock.advance(milliseconds(50));
    std::string all;
    for (std::string more = e.got(); !more.empty(); more = e.got())
      all += more;
    CHECK(all == our_head + "0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::stopped));
  }

  TEST_CASE("a stop ends a stream that stands at an event boundary at once") {
    EventStream e;
    e.start(chunked_head + chunk("data: 1\n\n"));
    e.got();
    e.ask(InFlight::Wish::stop);
    CHECK(e.advance(50) == "0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::stopped));
  }

  TEST_CASE("a stop lets the event that has begun come to its end") {
    EventStream e;
    e.start(chunked_head + chunk("data: 1\n\ndata: "));
    e.got();
    e.ask(InFlight::Wish::stop);
    CHECK(e.advance(50).empty());
    e.send(chunk("2\n"));
    CHECK(e.got() == chunk("2\n"));
    CHECK_FALSE(e.done());
    e.send(chunk("\n"));
    CHECK(e.got() == "1\r\n\n\r\n0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::stopped));
  }

  TEST_CASE("a stream that opens while we stop ends with its head") {
    EventStream e;
    e.start(chunked_head);
    e.ask(InFlight::Wish::stop);
    CHECK(e.advance(50) == our_head + "0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::stopped));
  }

  TEST_CASE("a stop spreads the ends of many streams, and leaves out who owes an answer") {
    EventStream e;
    std::array<InFlight, 6> open;
    for (InFlight& one : open) {
      one.begin(e.all, e.backends[0], *e.backend.stream);
      one.set_may_stop(&one != &open[1] && &one != &open[4]);
    }
    ask_in_turn(e.all, InFlight::Wish::stop, e.clock.timers(), milliseconds(1000),
                [](const InFlight& one) { return one.may_stop(); });
    const auto ended = [&open] {
      return std::count_if(open.begin(), open.end(), [](const InFlight& one) {
        return one.wish() == InFlight::Wish::stop;
      });
    };
    for (int expected = 1; expected <= 4; ++expected) {
      e.clock.advance(milliseconds(expected == 1 ? 50 : 250));
      CHECK(ended() == expected);
    }
    CHECK(open[1].wish() == InFlight::Wish::none);
    CHECK(open[4].wish() == InFlight::Wish::none);
  }

  TEST_CASE("the endpoint event is learned before the client sees it, with its prefix") {
    EventStream e;
    std::string seen_at_learning = "never";
    std::string learned;
    e.tap.emplace("/mcp", [&](std::string_view session) {
      learned = session;
      seen_at_learning = e.client().take();
      return std::string(session);
    });
    e.start(chunked_head + chunk("event: endpoint\n"));
    CHECK(e.got() == our_head);
    e.send(chunk("data: /messages?sessionId=abc\n\n"));
    CHECK(e.got() == chunk("event: endpoint\ndata: /mcp/messages?sessionId=abc\n\n"));
    CHECK(learned == "abc");
    CHECK(seen_at_learning.empty());
    e.send(chunk("data: 1\n\n"));
    CHECK(e.got() == chunk("data: 1\n\n"));
  }

  TEST_CASE("an announced session reaches the client only when it was stored") {
    EventStream e;
    e.tap.emplace("", [](std::string_view session) { return std::string(session); });
    e.storing_takes = milliseconds(500);
    e.start(chunked_head);
    const std::string event = "event: endpoint\ndata: /messages?sessionId=s1\n\n";
    e.send(chunk(event));
    CHECK(e.got().find("s1") == std::string::npos);
    CHECK(e.announcings == 1);
    CHECK(e.advance(400).empty());
    CHECK(e.advance(200).find("sessionId=s1") != std::string::npos);
    e.send(chunk(event));
    CHECK(e.got() == chunk(event));
    CHECK(e.announcings == 1);
  }

  TEST_CASE("what the tap holds goes on when the stream ends") {
    EventStream e;
    e.tap.emplace("/mcp", [](std::string_view session) { return std::string(session); });
    e.start(chunked_head + chunk("event: endp"));
    CHECK(e.got() == our_head);
    e.send("0\r\n\r\n");
    CHECK(e.got() == "b\r\nevent: endp\r\n0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::complete));
  }

  TEST_CASE("comments go on while the tap holds the beginning of an event") {
    EventStream e;
    e.tap.emplace("/mcp", [](std::string_view session) { return std::string(session); });
    e.start(chunked_head + chunk("event: endp"));
    CHECK(e.got() == our_head);
    CHECK(e.advance(15'100) == chunk(":\n\n"));
    e.send(chunk("oint\ndata: /m\n\n"));
    CHECK(e.got() == chunk("event: endpoint\ndata: /mcp/m\n\n"));
  }
}
