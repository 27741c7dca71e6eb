#include "mcplb/wire/call.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

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

class Sink final : public ReplySink {
 public:
  bool on_head(const CallHead& head) override {
    status = head.status;
    event_stream = head.event_stream;
    content_type = head.content_type;
    session_id = head.session;
    www_authenticate = head.www_authenticate;
    return wants_content;
  }
  bool on_content(std::string_view bytes) override {
    content += bytes;
    return content.size() < enough;
  }

  bool wants_content = true;
  std::size_t enough = 100;
  int status = 0;
  bool event_stream = false;
  std::string content_type;
  std::string session_id;
  std::string www_authenticate;
  std::string content;
};

struct Sunk {
  void send(std::string_view bytes) {
    pipe.far->post(bytes);
    pipe.pump();
  }

  test::FakeClock clock;
  BufferPool buffers{1024};
  test::Pipe pipe{clock.timers(), buffers};
  Sink sink;
  test::Running<Result<void>> calling{
      test::run(call(*pipe.near, CallRequest{}, sink, clock.in(milliseconds(1000))))};
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

  TEST_CASE("a request is written with its fields, without the empty ones") {
    CallRequest post;
    post.target = "/mcp";
    post.fields = {{"Host", "h"}, {"Authorization", ""}, {"Accept", "x"}};
    post.body = "{}";
    CHECK(to_bytes(post) ==
          "POST /mcp HTTP/1.1\r\nHost: h\r\nAccept: x\r\nContent-Length: 2\r\n"
          "Connection: close\r\n\r\n{}");
    CallRequest del;
    del.method = http::Method::del;
    del.target = "/mcp";
    CHECK(to_bytes(del) == "DELETE /mcp HTTP/1.1\r\nConnection: close\r\n\r\n");
    CallRequest empty_post;
    empty_post.target = "/";
    CHECK(to_bytes(empty_post).find("Content-Length: 0\r\n") != std::string::npos);
  }

  TEST_CASE("a sink sees the final head and the content as they come") {
    Sunk s;
    s.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nwww-authenticate: A\r\n"
           "Content-Type: text/event-stream\r\nWWW-Authenticate: B\r\n"
           "mcp-session-id: s-1\r\n\r\nab");
    CHECK(s.sink.status == 401);
    CHECK(s.sink.event_stream);
    CHECK(s.sink.content_type == "text/event-stream");
    CHECK(s.sink.www_authenticate == "A, B");
    CHECK(s.sink.session_id == "s-1");
    CHECK(s.sink.content == "ab");
    CHECK_FALSE(s.calling.done());
    s.send("cd");
    CHECK(s.sink.content == "abcd");
    s.pipe.far->shutdown_write();
    s.pipe.pump();
    REQUIRE(s.calling.done());
    CHECK(s.calling.result());
  }

  TEST_CASE("a sink that has enough ends the call well") {
    Sunk at_head;
    at_head.sink.wants_content = false;
    at_head.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    REQUIRE(at_head.calling.done());
    CHECK(at_head.calling.result());
    CHECK(at_head.sink.content.empty());
    Sunk later;
    later.sink.enough = 2;
    later.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na");
    CHECK_FALSE(later.calling.done());
    later.send("b");
    REQUIRE(later.calling.done());
    CHECK(later.calling.result());
  }

  TEST_CASE("interim replies without end are malformed") {
    Sunk s;
    for (int i = 0; i <= limits::interim_replies_max; ++i)
      s.send("HTTP/1.1 103 Early\r\n\r\n");
    REQUIRE(s.calling.done());
    REQUIRE_FALSE(s.calling.result());
    CHECK(s.calling.result().error().kind == Error::Kind::malformed);
    CHECK(s.sink.status == 0);
  }
}
