#include "mcplb/wire/request.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::wire;

namespace {

constexpr std::size_t block_bytes = 1024;
constexpr milliseconds head_time{10'000};
constexpr milliseconds body_time{5'000};

struct Reading {
  Reading() { settings.request_bytes_max = 4096; }

  test::Running<Result<void>> head() { return test::run(reader.read_head(request, soon())); }
  test::Running<Result<void>> body() { return test::run(reader.read_body(request, body_time)); }
  Deadline soon() const { return clock.in(head_time); }
  void send(std::string_view bytes) {
    client().post(bytes);
    pipe.pump();
  }
  std::string told() {
    pipe.pump();
    return client().take();
  }
  test::PipeStream& client() { return *pipe.far; }
  net::Stream& stream() { return *pipe.near; }

  test::FakeClock clock;
  BufferPool buffers{block_bytes};
  test::Pipe pipe{clock.timers(), buffers};
  http::Settings settings;
  RequestReader reader{*pipe.near, settings};
  Request request;
};

Task<Result<void>> read_all(RequestReader& reader, Request& request, Deadline deadline) {
  auto head = co_await reader.read_head(request, deadline);
  if (!head) co_return head.error();
  co_return co_await reader.read_body(request, body_time);
}

Error::Kind error_of(test::Running<Result<void>>& reading) {
  REQUIRE(reading.done());
  REQUIRE_FALSE(reading.result());
  CHECK(reading.result().error().side == Error::Side::client);
  return reading.result().error().kind;
}

// Reads one request whose head has arrived, and says why its body is refused.
Error::Kind body_error(Reading& r, const std::string& bytes) {
  r.send(bytes);
  auto head = r.head();
  REQUIRE(head.done());
  REQUIRE(head.result());
  auto body = r.body();
  r.pipe.pump();
  return error_of(body);
}

const std::string post = "POST /mcp HTTP/1.1\r\nHost: h\r\n";
const std::string with_length = post + "Content-Length: 5\r\n\r\nhello";
const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
const std::string with_chunks = chunked + "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-T: 1\r\n\r\n";

}  // namespace

TEST_SUITE("wire/request heads") {
  TEST_CASE("what has come whole is taken without a wait") {
    Reading r;
    auto none = r.reader.take_head(r.request);
    REQUIRE(none);
    CHECK_FALSE(*none);
    r.send(with_length);
    auto taken = r.reader.take_head(r.request);
    REQUIRE(taken);
    REQUIRE(*taken);
    CHECK(r.request.head.path == "/mcp");
    CHECK(r.reader.take_body(r.request));
    CHECK(r.request.body == "hello");
    CHECK(r.request.body.capacity() >= 5 + Request::body_padding);
    CHECK(r.stream().unread().empty());
  }

  TEST_CASE("a body that is not whole, not bounded or too large is not taken") {
    for (const std::string& bytes : {post + "Content-Length: 5\r\n\r\nhell", with_chunks,
                                     post + "Content-Length: 99\r\n\r\n" + std::string(99, 'x')}) {
      CAPTURE(bytes);
      Reading r;
      r.settings.request_bytes_max = 98;
      r.send(bytes);
      REQUIRE(r.reader.take_head(r.request));
      const std::string unread(r.stream().unread());
      CHECK_FALSE(r.reader.take_body(r.request));
      CHECK(r.stream().unread() == unread);
    }
  }

  TEST_CASE("a request is the same wherever its bytes are split") {
    for (const std::string& bytes : {with_length, with_chunks}) {
      for (std::size_t split = 0; split <= bytes.size(); ++split) {
        CAPTURE(split);
        Reading r;
        r.send(bytes.substr(0, split));
        auto reading = test::run(read_all(r.reader, r.request, r.soon()));
        CHECK(reading.done() == (split == bytes.size()));
        r.send(bytes.substr(split));
        REQUIRE(reading.done());
        CHECK(reading.result());
        CHECK(r.request.head.path == "/mcp");
        CHECK(r.request.body == "hello");
      }
    }
  }

  TEST_CASE("requests come in order off one connection, byte by byte") {
    Reading r;
    static_cast<test::PipeStream&>(r.stream()).deliver_at_most(1);
    r.client().post(with_length + with_chunks + "GET /last HTTP/1.1\r\nHost: h\r\n\r\n");
    for (const char* expected : {"hello", "hello", ""}) {
      r.request.clear();
      auto head = r.head();
      while (!head.done() && r.pipe.pump_once()) {
      }
      REQUIRE(head.done());
      REQUIRE(head.result());
      auto body = r.body();
      while (!body.done() && r.pipe.pump_once()) {
      }
      REQUIRE(body.done());
      CHECK(body.result());
      CHECK(r.request.body == expected);
    }
    CHECK(r.request.head.path == "/last");
  }

  TEST_CASE("a head that stops coming is a time-out of the client, and loses nothing") {
    Reading r;
    r.send("POST /m");
    auto head = r.head();
    r.clock.advance(head_time - milliseconds(100));
    r.send("cp HTT");
    CHECK_FALSE(head.done());
    r.clock.advance(milliseconds(200));
    CHECK(error_of(head) == Error::Kind::timeout);
    auto again = r.head();
    r.send("P/1.1\r\nHost: h\r\n\r\n");
    REQUIRE(again.done());
    CHECK(again.result());
    CHECK(r.request.head.path == "/mcp");
  }

  TEST_CASE("a client that leaves within a head has closed or reset") {
    Reading closed;
    closed.send("POST ");
    auto first = closed.head();
    closed.client().shutdown_write();
    closed.pipe.pump();
    CHECK(error_of(first) == Error::Kind::closed);
    Reading broken;
    auto second = broken.head();
    broken.client().reset();
    broken.pipe.pump();
    CHECK(error_of(second) == Error::Kind::reset);
  }

  TEST_CASE("a malformed head is refused as soon as it shows") {
    Reading r;
    auto head = r.head();
    r.send("GET / HTTP/1.1\nHost");
    CHECK(error_of(head) == Error::Kind::malformed);
    Reading without_host;
    auto other = without_host.head();
    without_host.send("GET / HTTP/1.1\r\n\r\n");
    CHECK(error_of(other) == Error::Kind::malformed);
  }

  TEST_CASE("a head may be as long as the limit, and no longer") {
    const std::string start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
    const std::string fits = start + std::string(200 - start.size() - 4, 'x') + "\r\n\r\n";
    const std::uint64_t hits = limit_hits(Limit::head_bytes);
    Reading r;
    r.settings.head_bytes_max = 200;
    r.send(fits);
    auto whole = r.head();
    REQUIRE(whole.done());
    CHECK(whole.result());
    CHECK(limit_hits(Limit::head_bytes) == hits);
    for (const std::string& bytes :
         {start + "x" + fits.substr(start.size()), start + std::string(201 - start.size(), 'x')}) {
      Reading over;
      over.settings.head_bytes_max = 200;
      auto head = over.head();
      over.send(bytes);
      CHECK(error_of(head) == Error::Kind::head_too_large);
    }
    CHECK(limit_hits(Limit::head_bytes) == hits + 2);
  }

  TEST_CASE("a head that fills the read buffer is too large, whatever the limit says") {
    Reading r;
    auto head = r.head();
    r.send("GET / HTTP/1.1\r\nX: " + std::string(block_bytes, 'x'));
    CHECK(error_of(head) == Error::Kind::head_too_large);
  }

  TEST_CASE("too many lines are a head too large") {
    Reading r;
    r.settings.headers_max = 1;
    auto head = r.head();
    r.send("GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n");
    CHECK(error_of(head) == Error::Kind::head_too_large);
  }
}

TEST_SUITE("wire/request bodies") {
  TEST_CASE("a body larger than the read buffer arrives whole") {
    Reading r;
    const std::string body(3 * block_bytes, 'x');
    r.client().post(post + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    auto head = r.head();
    r.pipe.pump();
    REQUIRE(head.done());
    auto reading = r.body();
    r.pipe.pump();
    REQUIRE(reading.done());
    CHECK(reading.result());
    CHECK(r.request.body == body);
    CHECK(r.request.body.capacity() >= body.size() + Request::body_padding);
  }

  TEST_CASE("Expect is answered before the body, and only while none of it has come") {
    const std::string expecting = post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    Reading waiting;
    waiting.send(expecting);
    auto head = waiting.head();
    REQUIRE(head.done());
    auto body = waiting.body();
    CHECK(waiting.told() == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_FALSE(body.done());
    waiting.send("hello");
    REQUIRE(body.done());
    CHECK(waiting.request.body == "hello");
    Reading eager;
    eager.send(expecting + "h");
    auto eager_head = eager.head();
    REQUIRE(eager_head.done());
    auto eager_body = eager.body();
    CHECK(eager.told().empty());
    eager.send("ello");
    CHECK(eager_body.done());
  }

  TEST_CASE("a body that is refused is not asked for") {
    Reading r;
    CHECK(body_error(r, post + "Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n") ==
          Error::Kind::body_too_large);
    CHECK(r.told().empty());
  }

  TEST_CASE("a body too large is refused by what is announced") {
    const std::uint64_t hits = limit_hits(Limit::request_bytes);
    Reading by_length;
    CHECK(body_error(by_length, post + "Content-Length: 4097\r\n\r\n") ==
          Error::Kind::body_too_large);
    Reading by_chunk;
    CHECK(body_error(by_chunk, chunked + "ffffffff\r\n") == Error::Kind::body_too_large);
    Reading by_largest_chunk;
    CHECK(body_error(by_largest_chunk, chunked + "ffffffffffffffff\r\n") ==
          Error::Kind::body_too_large);
    Reading by_later_chunk;
    CHECK(body_error(by_later_chunk, chunked + "5\r\nhello\r\n1000\r\n") ==
          Error::Kind::body_too_large);
    CHECK(limit_hits(Limit::request_bytes) == hits + 4);
  }

  TEST_CASE("a body exactly as large as the limit is taken, in any framing") {
    const std::string content(100, 'x');
    for (const std::string& bytes :
         {post + "Content-Length: 100\r\n\r\n" + content,
          chunked + "64\r\n" + content + "\r\n0\r\n\r\n",
          chunked + "1\r\nx\r\n63\r\n" + content.substr(1) + "\r\n0\r\n\r\n"}) {
      for (const std::size_t at_once : {test::unlimited, std::size_t{1}}) {
        CAPTURE(bytes);
        CAPTURE(at_once);
        Reading r;
        r.settings.request_bytes_max = 100;
        static_cast<test::PipeStream&>(r.stream()).deliver_at_most(at_once);
        r.client().post(bytes);
        auto head = r.head();
        while (!head.done() && r.pipe.pump_once()) {
        }
        REQUIRE(head.done());
        auto body = r.body();
        r.pipe.pump();
        REQUIRE(body.done());
        CHECK(body.result());
        CHECK(r.request.body == content);
      }
    }
  }

  TEST_CASE("each wait for a body has its time, and all of it need not fit in one") {
    Reading r;
    r.send(post + "Content-Length: 5\r\n\r\n");
    auto head = r.head();
    auto body = r.body();
    for (int i = 0; i < 3; ++i) {
      r.clock.advance(body_time - milliseconds(100));
      r.send("x");
    }
    CHECK_FALSE(body.done());
    r.clock.advance(body_time + milliseconds(100));
    CHECK(error_of(body) == Error::Kind::timeout);
  }

  TEST_CASE("a body that breaks off or is malformed is an error of the client") {
    Reading malformed;
    CHECK(body_error(malformed, chunked + "zz\r\n") == Error::Kind::malformed);
    Reading r;
    r.send(post + "Content-Length: 5\r\n\r\nhel");
    auto head = r.head();
    auto body = r.body();
    r.client().shutdown_write();
    r.pipe.pump();
    CHECK(error_of(body) == Error::Kind::closed);
  }

  TEST_CASE("clear() gives back the memory of one large message only") {
    Request request;
    request.body.assign(1000, 'x');
    const std::size_t small = request.body.capacity();
    request.clear();
    CHECK(request.body.empty());
    CHECK(request.body.capacity() == small);
    request.body.assign(limits::scratch_bytes_kept + 1, 'x');
    request.clear();
    CHECK(request.body.capacity() < limits::scratch_bytes_kept);
  }
}
