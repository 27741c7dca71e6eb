// A reply on its way from a backend to a client, for the tests of the relay.
#pragma once

#include "proxy/in_flight.hpp"
#include "proxy/relay.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/http/writer.hpp"

#include "support/backends.hpp"
#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

namespace mcplb::proxy {

inline constexpr std::size_t block_bytes = 8 * 1024;
inline const std::string chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
inline const std::string close_head = "HTTP/1.1 200 OK\r\n\r\n";
inline const std::string our_head = "HTTP/1.1 200 OK\r\nOurs: 1\r\n\r\n";

inline std::string length_head(std::size_t bytes) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
}

// Text as one chunk.
inline std::string chunk(const std::string& text) {
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
    relay.emplace(*client_pipe.near, backend, settings, client_bytes);
    in_flight.begin(all, backends[0], *backend.stream);
    relay->heed(in_flight);
    if (tap) {
      relay->announce(std::make_unique<Announcement>(
          Announcement{std::move(*tap), [this] { return before_announcing(); }, {}}));
    }
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
  void ask(InFlight::Wish wish, int ms = 0) {
    in_flight.ask(wish, clock.timers().in(milliseconds(ms)));
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
  test::Backends backends{1};
  IntrusiveList<InFlight> all;
  InFlight in_flight;
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

}  // namespace mcplb::proxy
