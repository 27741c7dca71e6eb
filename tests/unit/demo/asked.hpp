// One request put to a Handler, over an in-memory stream.
//
//   test::Asked asked(loop, handler, "GET /health HTTP/1.1\r\n");
//   CHECK(asked.status() == 200);
#pragma once

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "mcplb/base/text.hpp"
#include "mcplb/http/parser.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/wire/server.hpp"

#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

namespace mcplb::test {

class Asked {
 public:
  // `head` is the request line and further fields, each with its CRLF. Content-Length is
  // added, and Host when there is none.
  Asked(net::Loop& loop, wire::Handler& handler, std::string_view head, std::string body = "")
      : loop_(loop),
        pipe_(loop.timers(), loop.buffers()),
        request_(make_request(head, std::move(body))),
        writer_(*pipe_.near, request_),
        answering_(run(handler.handle(request_, writer_))) {}

  bool done() const { return answering_.done(); }
  // Everything that the handler has sent until now.
  const std::string& sent() {
    pipe_.pump();
    sent_ += pipe_.far->take();
    return sent_;
  }
  bool has_sent(std::string_view text) { return sent().find(text) != std::string::npos; }
  int status() { return sent().size() < 12 ? 0 : static_cast<int>(*parse_decimal(status_text())); }
  std::string body() {
    const std::size_t head_end = sent().find("\r\n\r\n");
    return head_end == std::string::npos ? "" : sent_.substr(head_end + 4);
  }
  std::string field(std::string_view name) {
    const std::string line = "\r\n" + std::string(name) + ": ";
    const std::size_t at = sent().find(line);
    if (at == std::string::npos) return "";
    const std::size_t begin = at + line.size();
    return sent_.substr(begin, sent_.find("\r\n", begin) - begin);
  }
  // Runs the loop until the handler is done.
  void finish() {
    if (done()) return;
    answering_.on_done([](void* loop) { static_cast<net::Loop*>(loop)->stop(); }, &loop_);
    loop_.run();
  }
  // As when the client leaves.
  void leave() { answering_.cancel(); }

 private:
  static wire::Request make_request(std::string_view head, std::string body) {
    wire::Request request;
    request.head_bytes = head;
    if (head.find("Host: ") == std::string_view::npos) request.head_bytes += "Host: 127.0.0.1\r\n";
    request.head_bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    request.body = std::move(body);
    return request;
  }
  std::string_view status_text() const { return std::string_view(sent_).substr(9, 3); }

  // The views in the head point into the request's own bytes, so they are made in their place.
  struct Parsed : wire::Request {
    explicit Parsed(wire::Request made) : wire::Request(std::move(made)) {
      REQUIRE(http::parse_request_head(head_bytes, http::Settings{}, head));
    }
  };

  net::Loop& loop_;
  Pipe pipe_;
  Parsed request_;
  wire::ReplyWriter writer_;
  std::string sent_;
  Running<Ended> answering_;  // refers to what stands before it
};

}  // namespace mcplb::test
