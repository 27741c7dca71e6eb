// The far side of redis' connections: hands out pipes, and says what a test wants to be said.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/redis/connector.hpp"

#include "support/fake_clock.hpp"
#include "support/manual_defer_queue.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

namespace mcplb::redis {

// "*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n" to "AUTH x; "; each command ends with "; ".
inline std::string readable(std::string_view bytes) {
  const auto number = [&bytes](char kind) {
    MCPLB_ASSERT(!bytes.empty() && bytes.front() == kind);
    const std::size_t end = bytes.find("\r\n");
    const int value = std::stoi(std::string(bytes.substr(1, end - 1)));
    bytes.remove_prefix(end + 2);
    return value;
  };
  std::string text;
  while (!bytes.empty()) {
    const int words = number('*');
    for (int i = 0; i < words; ++i) {
      const auto size = static_cast<std::size_t>(number('$'));
      text += (i == 0 ? "" : " ") + std::string(bytes.substr(0, size));
      bytes.remove_prefix(size + 2);
    }
    text += "; ";
  }
  return text;
}

inline std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

inline std::string array(const std::vector<std::string>& texts) {
  std::string out = "*" + std::to_string(texts.size()) + "\r\n";
  for (const std::string& text : texts)
    out += bulk(text);
  return out;
}

class FakeStore final : public Connector {
 public:
  Task<Result<std::unique_ptr<net::Stream>>> connect(Endpoint endpoint, Deadline) override {
    asked.push_back(endpoint.text());
    if (refuses) {
      co_return Error{Error::Kind::refused, Error::Side::backend, 0, "connection refused"};
    }
    test::Pipe& pipe = pipes.emplace_back(clock.timers(), buffers);
    near = pipe.near.get();
    co_return std::unique_ptr<net::Stream>(std::move(pipe.near));
  }

  // The store's end of the newest connection.
  test::PipeStream& server() { return *pipes.back().far; }
  // Turns of the loop until nothing moves.
  void turn() {
    bool moved = true;
    while (moved) {
      moved = !turns.empty();
      turns.run();
      for (test::Pipe& pipe : pipes)
        moved = pipe.pump_once() || moved;
    }
  }
  // What the newest connection has sent since the last call.
  std::string heard() {
    turn();
    return readable(server().take());
  }
  void say(std::string_view bytes) {
    server().post(bytes);
    turn();
  }
  void close() {
    server().shutdown_write();
    turn();
  }
  // In small steps, so that what a timer wants to send is sent before the next one fires.
  void pass(int ms) {
    for (; ms > 0; ms -= 16) {
      clock.advance(milliseconds(std::min(ms, 16)));
      turn();
    }
  }
  // Answers what is asked on a new connection when the URL has nothing special.
  void accept() {
    turn();
    say("+PONG\r\n");
    say(bulk("# Cluster\r\ncluster_enabled:0\r\n"));
    server().take();
  }

  test::FakeClock clock;
  BufferPool buffers{64 * 1024};
  test::ManualDeferQueue turns;
  std::deque<test::Pipe> pipes;    // in the order in which they were opened
  std::vector<std::string> asked;  // the servers, in that order, refused ones included
  bool refuses = false;
  test::PipeStream* near = nullptr;  // our end of the newest connection; may be gone
};

inline Settings settings_for(std::string_view url) {
  ParsedUrl parsed = parse_url(url);
  MCPLB_ASSERT(parsed.wrong.empty());
  Settings settings;
  settings.url = std::move(parsed.url);
  return settings;
}

}  // namespace mcplb::redis
