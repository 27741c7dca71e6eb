#include "proxy/relay.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

constexpr std::size_t block_bytes = 8 * 1024;
const std::string chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string close_head = "HTTP/1.1 200 OK\r\n\r\n";
const std::string our_head = "HTTP/1.1 200 OK\r\nOurs: 1\r\n\r\n";

std::string length_head(std::size_t bytes) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
}

// Text as one chunk.
std::string chunk(const std::string& text) {
  return std::string(http::ChunkHeader(text.size()).text()) + text + "\r\n";
}

// A backend's reply on its way to a client, each over a stream in memory.
struct Relayed {
  explicit Relayed(ClientFraming framing = ClientFraming::chunked) {
    settings.framing = framing;
    settings.stream_idle = milliseconds(60'000);
  }

  // The backend sends its head and the beginning of its body; then the relay starts.
  void start(const std::string& reply) {
    backend_end().post(reply);
    backend_pipe.pump();
    const auto taken = backend.replies.take_head(http::Method::get);
    REQUIRE(taken);
    REQUIRE(*taken);
    relay.emplace(*client_pipe.near, backend, streams, settings, client_bytes);
    if (tap) relay->tap_endpoint(*tap, [this] { return before_announcing(); });
    running.emplace(relay->run(head));
  }
  Task<void> before_announcing() {
    ++announcings;
    const Deadline stored = clock.timers().in(storing_takes);
    co_await clock.timers().sleep(stored);
  }
  void send(const std::string& bytes) {
    backend_end().post(bytes);
    backend_pipe.pump();
  }
  void end() {
    backend_end().shutdown_write();
    backend_pipe.pump();
  }
  void pump() {
    backend_pipe.pump();
    client_pipe.pump();
  }
  // What the client gets since it was asked last.
  std::string got() {
    pump();
    return client().take();
  }
  std::string advance(int ms) {
    clock.advance(milliseconds(ms));
    return got();
  }
  bool done() const { return running->done(); }
  bool ended_as(RelayEnd end) { return done() && running->result() == end; }

  test::PipeStream& backend_end() { return *backend_pipe.far; }
  test::PipeStream& client() { return *client_pipe.far; }

  test::FakeClock clock;
  BufferPool buffers{block_bytes};
  http::Settings http;
  test::Pipe client_pipe{clock.timers(), buffers};
  test::Pipe backend_pipe{clock.timers(), buffers};
  cluster::Connection backend{std::move(backend_pipe.near), http};
  OpenStreams streams{clock.timers()};
  RelaySettings settings;
  std::uint64_t client_bytes = 0;
  std::string head = our_head;
  std::optional<EndpointTap> tap;
  int announcings = 0;
  milliseconds storing_takes{0};
  std::optional<Relay> relay;
  std::optional<test::Running<RelayEnd>> running;  // refers to what stands before it
};

struct EventStream : Relayed {
  explicit EventStream(int heartbeat_ms = 15'000) {
    settings.event_stream = true;
    settings.ends_on_stop = true;
    settings.heartbeat = milliseconds(heartbeat_ms);
  }
};

// What the first write holds: its rest still goes out when the flow behind it is gone.
std::string first_write(ClientFraming framing, const std::string& reply) {
  Relayed r(framing);
  r.client_pipe.near->hold_at_most(1);
  r.start(reply);
  REQUIRE_FALSE(r.done());
  r.running->cancel();
  std::string all = r.got();
  for (std::string more = r.got(); !more.empty(); more = r.got())
    all += more;
  return all;
}

}  // namespace

TEST_SUITE("proxy/relay bodies") {
  TEST_CASE("the head and a small body leave in one write, with the end of the body") {
    CHECK(first_write(ClientFraming::length, length_head(5) + "hello") == our_head + "hello");
    CHECK(first_write(ClientFraming::chunked, chunked_head + "5\r\nhello\r\n0\r\n\r\n") ==
          our_head + "5\r\nhello\r\n0\r\n\r\n");
    CHECK(first_write(ClientFraming::none, length_head(0)) == our_head);
  }

  TEST_CASE("so do the head and a large body, as pieces") {
    const std::string body(limits::merged_body_bytes_max + 1, 'x');
    CHECK(first_write(ClientFraming::length, length_head(body.size()) + body) == our_head + body);
    CHECK(first_write(ClientFraming::chunked, chunked_head + chunk(body) + "0\r\n\r\n") ==
          our_head + chunk(body) + "0\r\n\r\n");
  }

  TEST_CASE("a head does not wait for its body, and what it was goes out once") {
    Relayed r(ClientFraming::length);
    r.start(length_head(5));
    CHECK(r.got() == our_head);
    r.send("he");
    CHECK(r.got() == "he");
    r.send("llo");
    CHECK(r.got() == "llo");
    CHECK(r.ended_as(RelayEnd::complete));
    CHECK(r.client_bytes == our_head.size() + 5);
    CHECK(r.backend.replies.reusable());
  }

  TEST_CASE("the chunks of one read become one chunk") {
    Relayed r;
    r.start(chunked_head);
    CHECK(r.got() == our_head);
    r.send("1\r\na\r\n2;ext=1\r\nbc\r\n3\r\nd");
    CHECK(r.got() == "4\r\nabcd\r\n");
    r.send("ef\r\n");
    CHECK(r.got() == "2\r\nef\r\n");
    r.send("0\r\n");
    CHECK(r.got().empty());
    CHECK_FALSE(r.done());
    r.send("\r\n");
    CHECK(r.got() == "0\r\n\r\n");
    CHECK(r.ended_as(RelayEnd::complete));
  }

  TEST_CASE("a chunked body is the same however its bytes arrive") {
    Relayed r;
    r.start(chunked_head);
    static_cast<test::PipeStream&>(*r.backend.stream).deliver_at_most(1);
    r.send("b\r\nhello world\r\n1\r\n!\r\n0\r\n\r\n");
    std::string expected = our_head;
    for (const char c : std::string("hello world!"))
      expected += chunk(std::string(1, c));
    CHECK(r.got() == expected + "0\r\n\r\n");
    CHECK(r.ended_as(RelayEnd::complete));
  }

  TEST_CASE("a close-delimited reply becomes a chunked one") {
    Relayed r;
    r.start(close_head + "hel");
    r.send("lo");
    r.end();
    CHECK(r.got() == our_head + chunk("hel") + chunk("lo") + "0\r\n\r\n");
    CHECK(r.ended_as(RelayEnd::complete));
    CHECK_FALSE(r.backend.replies.reusable());
  }

  TEST_CASE("a client of HTTP/1.0 gets the bare content") {
    Relayed r(ClientFraming::until_close);
    r.start(chunked_head + chunk("hello") + "0\r\n\r\n");
    CHECK(r.got() == our_head + "hello");
    CHECK(r.ended_as(RelayEnd::complete));
  }

  TEST_CASE("trailers go to a client that accepts them, and to no other") {
    const std::string trailers = "X-Sum: 1\r\n";
    for (const bool accepted : {true, false}) {
      const std::string last = "0\r\n" + (accepted ? trailers : "") + "\r\n";
      Relayed together;
      together.settings.trailers = accepted;
      together.start(chunked_head + chunk("hello") + "0\r\n" + trailers + "\r\n");
      CHECK(together.got() == our_head + chunk("hello") + last);
      Relayed apart;
      apart.settings.trailers = accepted;
      apart.start(chunked_head + chunk("hello"));
      apart.send("0\r\n" + trailers + "\r\n");
      CHECK(apart.got() == our_head + chunk("hello") + last);
    }
  }

  TEST_CASE("a client without chunks gets no trailers either") {
    Relayed r(ClientFraming::until_close);
    r.settings.trailers = true;
    r.start(chunked_head + chunk("hello") + "0\r\nX-Sum: 1\r\n\r\n");
    CHECK(r.got() == our_head + "hello");
  }
}

TEST_SUITE("proxy/relay endings") {
  TEST_CASE("a body that breaks off is never given an end") {
    struct Case {
      ClientFraming framing;
      std::string reply;
      std::string expected;
    };
    const Case cases[] = {
        {ClientFraming::length, length_head(9) + "hello", "hello"},
        {ClientFraming::chunked, chunked_head + "9\r\nhello", chunk("hello")},
        {ClientFraming::chunked, chunked_head + chunk("hello"), chunk("hello")},
    };
    for (const Case& c : cases) {
      CAPTURE(c.reply);
      Relayed r(c.framing);
      r.start(c.reply);
      r.end();
      CHECK(r.got() == our_head + c.expected);
      CHECK(r.ended_as(RelayEnd::backend_broke));
      CHECK(r.relay->error().side == Error::Side::backend);
      CHECK_FALSE(r.backend.replies.reusable());
    }
  }

  TEST_CASE("a reset is no end, not even of a close-delimited body") {
    Relayed r;
    r.start(close_head + "hello");
    r.backend_end().reset();
    r.backend_pipe.pump();
    CHECK(r.got() == our_head + chunk("hello"));
    CHECK(r.ended_as(RelayEnd::backend_broke));
    CHECK(r.relay->error().kind == Error::Kind::reset);
  }

  TEST_CASE("a bad first chunk beside the head leaves room for a reply of our own") {
    Relayed r;
    r.start(chunked_head + "zz\r\n");
    CHECK(r.ended_as(RelayEnd::not_begun));
    CHECK(r.relay->error().kind == Error::Kind::malformed);
    CHECK(r.got().empty());
    CHECK(r.client_bytes == 0);
  }

  TEST_CASE("a bad chunk later is a broken body") {
    Relayed r;
    r.start(chunked_head + chunk("hello"));
    r.send("zz\r\n");
    CHECK(r.got() == our_head + chunk("hello"));
    CHECK(r.ended_as(RelayEnd::backend_broke));
    CHECK(r.relay->error().kind == Error::Kind::malformed);
  }

  TEST_CASE("a backend that is silent for too long has broken") {
    Relayed r(ClientFraming::length);
    r.start(length_head(9) + "hello");
    r.clock.advance(milliseconds(59'000));
    r.send("x");
    r.clock.advance(milliseconds(59'000));
    CHECK_FALSE(r.done());
    r.clock.advance(milliseconds(1'100));
    CHECK(r.ended_as(RelayEnd::backend_broke));
    CHECK(r.relay->error().kind == Error::Kind::timeout);
  }

  TEST_CASE("a client that broke its connection is gone") {
    Relayed r(ClientFraming::length);
    r.start(length_head(9) + "hello");
    r.client().reset();
    r.client_pipe.pump();
    r.send("more");
    CHECK(r.ended_as(RelayEnd::client_gone));
  }

  TEST_CASE("a client that takes nothing for too long is let go") {
    Relayed r(ClientFraming::length);
    r.client_pipe.near->hold_at_most(1);
    r.start(length_head(9) + "hello");
    r.clock.advance(limits::client_write_stall - milliseconds(100));
    CHECK_FALSE(r.done());
    r.clock.advance(milliseconds(200));
    CHECK(r.ended_as(RelayEnd::client_gone));
    CHECK(r.relay->error().kind == Error::Kind::timeout);
  }

  TEST_CASE("while the client takes nothing, the backend is read one block ahead at most") {
    Relayed r(ClientFraming::length);
    const std::string body(40 * block_bytes, 'x');
    r.client_pipe.near->hold_at_most(100);
    r.start(length_head(body.size()) + body);
    for (int i = 0; i < 10; ++i)
      r.pump();
    const std::uint64_t written = r.client_pipe.near->bytes_written();
    const std::uint64_t read = r.backend.stream->bytes_read();
    CHECK(written <= 3 * block_bytes);
    CHECK(read <= written + block_bytes + length_head(body.size()).size());
    r.pump();
    CHECK(r.backend.stream->bytes_read() == read);
    std::string all;
    for (std::string more = r.got(); !more.empty(); more = r.got())
      all += more;
    CHECK(all.size() == our_head.size() + body.size());
    CHECK(r.ended_as(RelayEnd::complete));
  }
}

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

  TEST_CASE("a stop ends a stream that stands at an event boundary at once") {
    EventStream e;
    e.start(chunked_head + chunk("data: 1\n\n"));
    e.got();
    e.streams.end_all(milliseconds(0));
    CHECK(e.advance(50) == "0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::stopped));
  }

  TEST_CASE("a stop lets the event that has begun come to its end") {
    EventStream e;
    e.start(chunked_head + chunk("data: 1\n\ndata: "));
    e.got();
    e.streams.end_all(milliseconds(0));
    CHECK(e.advance(50).empty());
    e.send(chunk("2\n"));
    CHECK(e.got() == chunk("2\n"));
    CHECK_FALSE(e.done());
    e.send(chunk("\n"));
    CHECK(e.got() == "1\r\n\n\r\n0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::stopped));
  }

  TEST_CASE("a stop waits for the answer that a stream owes") {
    EventStream e;
    e.settings.ends_on_stop = false;
    e.start(chunked_head + chunk("data: 1\n\n"));
    e.got();
    e.streams.end_all(milliseconds(0));
    CHECK(e.advance(50).empty());
    e.send(chunk("data: 2\n\n") + "0\r\n\r\n");
    CHECK(e.got() == "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::complete));
  }

  TEST_CASE("a stream that opens while we stop ends with its head") {
    EventStream e;
    e.streams.end_all(milliseconds(1000));
    e.start(chunked_head);
    CHECK(e.advance(50) == our_head + "0\r\n\r\n");
    CHECK(e.ended_as(RelayEnd::stopped));
  }

  TEST_CASE("a stop spreads the ends of many streams") {
    std::vector<std::unique_ptr<OpenStream>> open;
    EventStream e;
    for (int i = 0; i < 4; ++i) {
      open.push_back(std::make_unique<OpenStream>(*e.backend.stream));
      e.streams.add(*open.back());
    }
    e.streams.end_all(milliseconds(1000));
    const auto ended = [&open] {
      int count = 0;
      for (const auto& stream : open)
        count += stream->end_requested() ? 1 : 0;
      return count;
    };
    for (int expected = 1; expected <= 4; ++expected) {
      e.clock.advance(milliseconds(expected == 1 ? 50 : 250));
      CHECK(ended() == expected);
    }
    open.clear();
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
