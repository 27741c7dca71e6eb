#include "mcplb/wire/reply_reader.hpp"

#include <string>

#include <doctest/doctest.h>

#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::wire;

namespace {

constexpr std::size_t block_bytes = 1024;

struct Reading {
  test::Running<Result<void>> head(http::Method method = http::Method::get) {
    return test::run(reader.read_head(method, clock.in(milliseconds(1000))));
  }
  void send(std::string_view bytes) {
    backend().post(bytes);
    pipe.pump();
  }
  void end() {
    backend().shutdown_write();
    pipe.pump();
  }
  // Reads the head, which has to be there.
  void take_head(http::Method method = http::Method::get) {
    auto reading = head(method);
    REQUIRE(reading.done());
    REQUIRE(reading.result());
  }
  // The content that is there. Sets `last`.
  std::string content() {
    std::string all;
    while (true) {
      auto part = reader.next_part();
      REQUIRE(part);
      all += part->content;
      last = part->last;
      if (part->last || part->content.empty()) return all;
    }
  }
  test::PipeStream& backend() { return *pipe.far; }

  test::FakeClock clock;
  BufferPool buffers{block_bytes};
  test::Pipe pipe{clock.timers(), buffers};
  http::Settings settings;
  ReplyReader reader{*pipe.near, settings};
  bool last = false;
};

Error::Kind error_of(test::Running<Result<void>>& reading) {
  REQUIRE(reading.done());
  REQUIRE_FALSE(reading.result());
  CHECK(reading.result().error().side == Error::Side::backend);
  return reading.result().error().kind;
}

const std::string ok = "HTTP/1.1 200 OK\r\n";
const std::string with_length = ok + "Content-Length: 5\r\n\r\nhello";
const std::string chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
const std::string with_chunks = chunked + "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n";

}  // namespace

TEST_SUITE("wire/reply_reader heads") {
  TEST_CASE("interim replies come before the final one") {
    Reading r;
    r.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
           with_length);
    for (const int status : {100, 103, 200}) {
      r.take_head();
      CHECK(r.reader.head().status == status);
    }
    CHECK(r.content() == "hello");
    CHECK(r.last);
  }

  TEST_CASE("a time-out loses nothing, and the head may be awaited again") {
    Reading r;
    r.send("HTTP/1.1 20");
    auto first = r.head();
    r.clock.advance(milliseconds(1100));
    CHECK(error_of(first) == Error::Kind::timeout);
    auto second = r.head();
    r.send("0 OK\r\nContent-Length: 2\r\n");
    r.clock.advance(milliseconds(1100));
    CHECK(error_of(second) == Error::Kind::timeout);
    auto third = r.head();
    r.send("\r\nhi");
    REQUIRE(third.done());
    CHECK(third.result());
    CHECK(r.content() == "hi");
  }

  TEST_CASE("a cancelled wait loses nothing either") {
    Reading r;
    {
      auto cancelled = r.head();
      r.send("HTTP/1.1 20");
      CHECK_FALSE(cancelled.done());
    }
    r.send("0 OK\r\nContent-Length: 0\r\n\r\n");
    r.take_head();
    CHECK(r.reader.head().status == 200);
  }

  TEST_CASE("another protocol is refused by its first bytes") {
    for (const char* bytes : {"SSH-2.0-OpenSSH", "220 mail", "HTTP/2", "http/1.1", "\x15\x03", "X",
                              " HTTP/1.1", "ICY 200 OK"}) {
      CAPTURE(bytes);
      Reading r;
      auto head = r.head();
      r.send(bytes);
      CHECK(error_of(head) == Error::Kind::malformed);
    }
    Reading r;
    auto head = r.head();
    for (const char c : std::string("HTTP/1.")) {
      r.send(std::string(1, c));
      CHECK_FALSE(head.done());
    }
  }

  TEST_CASE("a backend that leaves before the head has closed or reset") {
    for (const char* begun : {"", "HTTP/1.1 200"}) {
      Reading closed;
      closed.send(begun);
      auto first = closed.head();
      closed.end();
      CHECK(error_of(first) == Error::Kind::closed);
      Reading broken;
      broken.send(begun);
      auto second = broken.head();
      broken.backend().reset();
      broken.pipe.pump();
      CHECK(error_of(second) == Error::Kind::reset);
    }
  }

  TEST_CASE("has_begun() tells whether a byte of a reply has come") {
    Reading r;
    CHECK_FALSE(r.reader.has_begun());
    auto head = r.head();
    r.send("H");
    CHECK(r.reader.has_begun());
    r.send(with_length.substr(1));
    CHECK(r.content() == "hello");
    CHECK(r.reader.has_begun());
    r.reader.start_next();
    CHECK_FALSE(r.reader.has_begun());
  }

  TEST_CASE("a head beyond the limit or the read buffer is too large") {
    Reading limited;
    limited.settings.head_bytes_max = 100;
    auto first = limited.head();
    limited.send(ok + "X: " + std::string(100, 'x'));
    CHECK(error_of(first) == Error::Kind::head_too_large);
    Reading full;
    auto second = full.head();
    full.send(ok + "X: " + std::string(block_bytes, 'x'));
    CHECK(error_of(second) == Error::Kind::head_too_large);
  }
}

TEST_SUITE("wire/reply_reader bodies") {
  TEST_CASE("a reply is the same wherever its bytes are split") {
    for (const std::string& bytes : {with_length, with_chunks}) {
      for (std::size_t split = 0; split <= bytes.size(); ++split) {
        CAPTURE(split);
        Reading r;
        r.send(bytes.substr(0, split));
        auto head = r.head();
        std::string content;
        if (head.done()) content = r.content();
        r.send(bytes.substr(split));
        REQUIRE(head.done());
        REQUIRE(head.result());
        CHECK(content + r.content() == "hello");
        CHECK(r.last);
        CHECK(r.reader.reusable());
      }
    }
  }

  TEST_CASE("trailers are there with the last part") {
    Reading r;
    r.send(with_chunks);
    r.take_head();
    CHECK(r.content() == "hello");
    CHECK(r.reader.trailers() == "X-T: 1\r\n");
  }

  TEST_CASE("a reply to HEAD has no body, whatever its head says") {
    Reading r;
    r.send(ok + "Content-Length: 5\r\n\r\n");
    r.take_head(http::Method::head);
    CHECK(r.content().empty());
    CHECK(r.last);
    CHECK(r.reader.reusable());
  }

  TEST_CASE("the end of the stream is the end of a close-delimited body only") {
    Reading closing;
    closing.send(ok + "\r\nhello");
    closing.take_head();
    CHECK(closing.content() == "hello");
    CHECK_FALSE(closing.last);
    closing.end();
    const Error closed{Error::Kind::closed, Error::Side::self, 0, ""};
    CHECK(closing.reader.end_of_input(closed));
    CHECK(closing.content().empty());
    CHECK(closing.last);
    CHECK_FALSE(closing.reader.reusable());
    for (const std::string& head : {ok + "Content-Length: 9\r\n\r\n", chunked}) {
      Reading cut;
      cut.send(head);
      cut.take_head();
      const auto ended = cut.reader.end_of_input(closed);
      REQUIRE_FALSE(ended);
      CHECK(ended.error().side == Error::Side::backend);
    }
  }

  TEST_CASE("a reset or a time-out is never the end of a body") {
    for (const auto kind : {Error::Kind::reset, Error::Kind::timeout}) {
      Reading r;
      r.send(ok + "\r\nhello");
      r.take_head();
      const auto ended = r.reader.end_of_input({kind, Error::Side::self, 0, ""});
      REQUIRE_FALSE(ended);
      CHECK(ended.error().kind == kind);
      CHECK(ended.error().side == Error::Side::backend);
    }
  }

  TEST_CASE("a malformed chunk is an error of the backend") {
    Reading r;
    r.send(chunked + "zz\r\n");
    r.take_head();
    const auto part = r.reader.next_part();
    REQUIRE_FALSE(part);
    CHECK(part.error().kind == Error::Kind::malformed);
    CHECK(part.error().side == Error::Side::backend);
  }

  TEST_CASE("a connection is reusable when its reply ended cleanly and nothing came behind it") {
    struct Case {
      std::string bytes;
      bool reusable;
    };
    const Case cases[] = {
        {with_length, true},
        {with_chunks, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", true},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", true},
        {with_length + "x", false},
        {with_length + with_length, false},
        {with_chunks + "\r\n", false},
        {ok + "Connection: close\r\nContent-Length: 5\r\n\r\nhello", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false},
        {ok + "Content-Length: 5\r\n\r\nhell", false},
        {chunked + "5\r\nhello\r\n", false},
    };
    for (const Case& c : cases) {
      CAPTURE(c.bytes);
      Reading r;
      r.send(c.bytes);
      r.take_head();
      r.content();
      CHECK(r.reader.reusable() == c.reusable);
    }
  }

  TEST_CASE("a connection that has ended is not reusable, however clean its reply") {
    Reading r;
    r.send(with_length);
    r.take_head();
    CHECK(r.content() == "hello");
    CHECK(r.reader.reusable());
    r.end();
    CHECK_FALSE(r.reader.reusable());
  }

  TEST_CASE("replies follow each other on one connection") {
    Reading r;
    for (const std::string& bytes : {with_length, with_chunks, with_length}) {
      r.send(bytes);
      r.take_head();
      CHECK(r.content() == "hello");
      REQUIRE(r.reader.reusable());
      r.reader.start_next();
      CHECK(r.pipe.near->unread().empty());
    }
  }
}
