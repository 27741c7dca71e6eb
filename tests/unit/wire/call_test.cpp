#include "mcplb/wire/call.hpp"

#include <string>

#include <doctest/doctest.h>

#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::wire;

namespace {

const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

struct Called {
  explicit Called(http::Method method = http::Method::get, std::size_t bytes_max = 10)
      : calling(
            test::run(call(*pipe.near, request, method, bytes_max, clock.in(milliseconds(1000))))) {
  }

  void send(std::string_view bytes) {
    pipe.far->post(bytes);
    pipe.pump();
  }
  void end() {
    pipe.far->shutdown_write();
    pipe.pump();
  }
  CallReply reply() {
    REQUIRE(calling.done());
    REQUIRE(calling.result());
    return *calling.result();
  }
  Error::Kind error() {
    REQUIRE(calling.done());
    REQUIRE_FALSE(calling.result());
    return calling.result().error().kind;
  }

  test::FakeClock clock;
  BufferPool buffers{1024};
  test::Pipe pipe{clock.timers(), buffers};
  test::Running<Result<CallReply>> calling;
};

}  // namespace

TEST_SUITE("wire/call") {
  TEST_CASE("sends the request and returns the reply") {
    Called c;
    c.pipe.pump();
    CHECK(c.pipe.far->take() == request);
    c.send("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhe");
    CHECK_FALSE(c.calling.done());
    c.send("llo");
    CHECK(c.reply().status == 404);
    CHECK(c.reply().body == "hello");
  }

  TEST_CASE("reads any framing, byte by byte, behind interim replies") {
    for (const char* reply :
         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nhello"}) {
      CAPTURE(reply);
      Called c;
      c.pipe.near->deliver_at_most(1);
      c.send(reply);
      c.end();
      CHECK(c.reply().status == 200);
      CHECK(c.reply().body == "hello");
    }
  }

  TEST_CASE("a reply to HEAD and one without content have no body") {
    Called head(http::Method::head);
    head.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    CHECK(head.reply().body.empty());
    Called none;
    none.send("HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(none.reply().status == 204);
  }

  TEST_CASE("a body as large as was asked for is taken, a larger one is an error") {
    Called fits(http::Method::get, 5);
    fits.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    CHECK(fits.reply().body == "hello");
    Called over(http::Method::get, 4);
    over.send("HTTP/1.1 200 OK\r\n\r\nhello");
    CHECK(over.error() == Error::Kind::body_too_large);
  }

  TEST_CASE("the deadline is for all of it") {
    Called c;
    c.clock.advance(milliseconds(600));
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    c.clock.advance(milliseconds(500));
    CHECK(c.error() == Error::Kind::timeout);
    CHECK(c.calling.result().error().side == Error::Side::backend);
  }

  TEST_CASE("an end too early is an error of the backend") {
    for (const char* begun : {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"}) {
      Called c;
      c.send(begun);
      c.end();
      CHECK(c.error() == Error::Kind::closed);
      CHECK(c.calling.result().error().side == Error::Side::backend);
    }
  }

  TEST_CASE("bytes that are not HTTP are malformed") {
    Called c;
    c.send("SSH-2.0");
    CHECK(c.error() == Error::Kind::malformed);
  }

  TEST_CASE("a connection that breaks under the request is an error of the backend") {
    test::FakeClock clock;
    BufferPool buffers{1024};
    test::Pipe pipe{clock.timers(), buffers};
    pipe.far->reset();
    pipe.pump();
    auto calling =
        test::run(call(*pipe.near, request, http::Method::get, 10, clock.in(milliseconds(1000))));
    REQUIRE(calling.done());
    REQUIRE_FALSE(calling.result());
    CHECK(calling.result().error().kind == Error::Kind::reset);
    CHECK(calling.result().error().side == Error::Side::backend);
  }
}
