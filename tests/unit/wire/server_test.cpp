#include "mcplb/wire/server.hpp"

#include <memory>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/http/parser.hpp"

#include "support/manual_defer_queue.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::wire;

namespace {

// Answers each path in its own way, and counts.
struct Paths final : Handler {
  Task<void> handle(const Request& request, ReplyWriter& reply) override {
    ++begun;
    const std::string path(request.head.path);
    if (path == "/silent") co_return;
    if (path == "/stream") {
      Reply head;
      head.content_type = "text/event-stream";
      auto sent = co_await reply.begin(std::move(head));
      if (sent) co_await stream(request, reply);
      co_return;
    }
    Reply whole;
    whole.content_type = "text/plain";
    whole.fields.emplace_back("X-Path", path);
    whole.body = path + "|" + request.body;
    auto sent = co_await reply.send(std::move(whole));
    ended += sent ? 1 : 0;
  }
  Task<void> stream(const Request& request, ReplyWriter& reply) {
    auto first = co_await reply.write("data: 1\n\n");
    auto nothing = co_await reply.write("");
    static_cast<void>(nothing);
    if (!first || request.head.query == "unfinished") co_return;
    auto end = co_await reply.finish();
    ended += end ? 1 : 0;
  }

  int begun = 0;
  int ended = 0;
};

struct Served {
  Served() {
    settings.head_bytes_max = 500;
    settings.request_bytes_max = 100;
    nursery.spawn(serve_connection(loop, std::move(pipe.near), settings, handler));
  }

  std::string send(std::string_view bytes) {
    pipe.far->post(bytes);
    return told();
  }
  std::string told() {
    pipe.pump();
    queue.run();
    pipe.pump();
    return pipe.far->take();
  }
  bool closed() {
    queue.run();
    pipe.pump();
    return pipe.far->peer_has_ended();
  }

  net::Loop loop{limits::buffer_block_bytes};
  test::ManualDeferQueue queue;
  test::Pipe pipe{loop.timers(), loop.buffers()};
  test::PipeStream& near = *pipe.near;  // the connection's soon
  http::Settings settings;
  Paths handler;
  Nursery nursery{queue};  // refers to what stands before it
};

// One reply without its date, which is the wall clock's.
std::string undated(std::string bytes) {
  for (std::size_t at = bytes.find("Date: "); at != std::string::npos; at = bytes.find("Date: "))
    bytes.erase(at, bytes.find("\r\n", at) + 2 - at);
  return bytes;
}

std::string get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

std::string ok(const std::string& path, const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Path: " + path +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
}

}  // namespace

TEST_SUITE("wire/server") {
  TEST_CASE("requests are answered in order on one connection") {
    Served s;
    CHECK(undated(s.send(get("/a"))) == ok("/a", "/a|"));
    CHECK(undated(s.send("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")) ==
          ok("/b", "/b|hello"));
    CHECK(undated(s.send(get("/c") + get("/d"))) == ok("/c", "/c|") + ok("/d", "/d|"));
    CHECK_FALSE(s.closed());
    CHECK(s.handler.ended == 4);
  }

  TEST_CASE("every reply has a date") {
    Served s;
    CHECK(s.send(get("/a")).find("\r\nDate: ") != std::string::npos);
  }

  TEST_CASE("a connection ends when the client wants that") {
    Served s;
    CHECK(undated(s.send(get("/a", "Connection: close\r\n"))) ==
          ok("/a", "/a|", "Connection: close\r\n"));
    CHECK(s.closed());
    CHECK(s.nursery.empty());
  }

  TEST_CASE("HTTP/1.0 is kept alive when it asks for that") {
    Served keeping;
    CHECK(undated(keeping.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")) ==
          ok("/a", "/a|", "Connection: keep-alive\r\n"));
    CHECK_FALSE(keeping.closed());
    Served closing;
    CHECK(undated(closing.send("GET /a HTTP/1.0\r\n\r\n")) ==
          ok("/a", "/a|", "Connection: close\r\n"));
    CHECK(closing.closed());
  }

  TEST_CASE("HEAD gets the head of the reply") {
    Served s;
    CHECK(undated(s.send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n")) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Path: /a\r\n"
          "Content-Length: 3\r\n\r\n");
    CHECK(undated(s.send(get("/b"))) == ok("/b", "/b|"));
  }

  TEST_CASE("a stream is chunked, and the connection goes on behind its end") {
    Served s;
    CHECK(undated(s.send(get("/stream"))) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
          "\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n");
    CHECK(undated(s.send(get("/a"))) == ok("/a", "/a|"));
  }

  TEST_CASE("a stream to HTTP/1.0 ends with the connection") {
    Served s;
    CHECK(undated(s.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
          "data: 1\n\n");
    CHECK(s.closed());
  }

  TEST_CASE("a stream without its end and a request without an answer close the connection") {
    Served unfinished;
    CHECK_FALSE(unfinished.send(get("/stream?unfinished")).ends_with("0\r\n\r\n"));
    CHECK(unfinished.closed());
    Served silent;
    CHECK(silent.send(get("/silent")).empty());
    CHECK(silent.closed());
  }

  TEST_CASE("what cannot be read is refused, and the connection ends") {
    struct Case {
      std::string bytes;
      const char* status;
    };
    const Case cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"nonsense\r\n\r\n", "400"},
        {get("/", "X: " + std::string(500, 'x') + "\r\n"), "431"},
        {get("/", "Content-Length: 101\r\n"), "413"},
        {get("/", "Transfer-Encoding: chunked\r\n") + "fff\r\n", "413"},
        {get("/", "Transfer-Encoding: chunked\r\n") + "zz\r\n", "400"},
    };
    for (const Case& c : cases) {
      CAPTURE(c.bytes);
      Served s;
      const std::string told = s.send(c.bytes);
      CHECK(told.substr(0, 12) == std::string("HTTP/1.1 ") + c.status);
      CHECK(told.find("\r\nConnection: close\r\n") != std::string::npos);
      CHECK(s.closed());
      CHECK(s.handler.begun == 0);
    }
  }

  TEST_CASE("a client that leaves cancels its answer") {
    Served s;
    s.near.hold_at_most(1);
    s.pipe.far->post(get("/a"));
    while (s.handler.begun == 0 && s.pipe.pump_once()) {
    }
    REQUIRE(s.handler.begun == 1);
    s.pipe.far->shutdown_write();
    s.pipe.far.reset();
    CHECK(s.nursery.size() == 1);
    s.pipe.pump();
    s.queue.run();
    CHECK(s.nursery.empty());
    CHECK(s.handler.ended == 0);
  }

  TEST_CASE("a client that leaves between requests ends the connection silently") {
    Served s;
    s.send(get("/a"));
    s.pipe.far->shutdown_write();
    CHECK(s.told().empty());
    CHECK(s.nursery.empty());
  }
}
