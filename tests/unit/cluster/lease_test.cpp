#include "mcplb/cluster/lease.hpp"

#include <deque>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

#include "support/backends.hpp"
#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

// A pool of idle connections and, for each, the backend's end of it.
struct Connections {
  test::FakeClock clock;
  BufferPool buffers{limits::buffer_block_bytes};
  test::Backends backends{1};
  http::Settings http;
  KeepaliveSettings settings;
  std::deque<test::Pipe> pipes;
  ConnectionPool pool{clock.timers(), backends[0], settings};

  std::unique_ptr<Connection> connect() {
    test::Pipe& pipe = pipes.emplace_back(clock.timers(), buffers);
    return std::make_unique<Connection>(std::move(pipe.near), http);
  }
  // The backend's end of the connection that was opened as number `index`.
  test::PipeStream& backend_end(std::size_t index) { return *pipes[index].far; }
  bool is_closed(std::size_t index) { return backend_end(index).peer_has_ended(); }
  milliseconds horizon() { return backends[0].idle_horizon(settings.idle, clock.now()); }
};

}  // namespace

TEST_SUITE("cluster/lease") {
  TEST_CASE("a destroyed lease closes its connection") {
    Connections c;
    { const Lease lease(c.pool, c.connect()); }
    CHECK(c.is_closed(0));
    CHECK(c.pool.size() == 0);
  }

  TEST_CASE("a kept lease gives its connection back, marked as reused") {
    Connections c;
    Lease lease(c.pool, c.connect());
    CHECK_FALSE(lease->reused);
    lease.keep();
    CHECK_FALSE(lease);
    lease.keep();
    CHECK(c.pool.size() == 1);
    const auto taken = c.pool.take();
    REQUIRE(taken);
    CHECK(taken->reused);
    CHECK_FALSE(c.is_closed(0));
  }
}

TEST_SUITE("cluster/connection_pool") {
  TEST_CASE("is empty at first") {
    Connections c;
    CHECK(c.pool.take() == nullptr);
  }

  TEST_CASE("gives the warmest connection first") {
    Connections c;
    auto first = c.connect();
    auto second = c.connect();
    const Connection* const warmest = second.get();
    c.pool.put(std::move(first));
    c.pool.put(std::move(second));
    CHECK(c.pool.take().get() == warmest);
  }

  TEST_CASE("closes a connection itself when the backend's horizon is reached") {
    Connections c;
    c.pool.put(c.connect());
    c.clock.advance(milliseconds(3990));
    CHECK_FALSE(c.is_closed(0));
    c.clock.advance(milliseconds(26));
    CHECK(c.is_closed(0));
    CHECK(c.pool.size() == 0);
    CHECK(c.horizon() == milliseconds(4000));
  }

  TEST_CASE("a connection that is used in between starts its idle time anew") {
    Connections c;
    c.pool.put(c.connect());
    for (int i = 0; i < 5; ++i) {
      c.clock.advance(milliseconds(3000));
      c.pool.put(c.pool.take());
    }
    CHECK(c.pool.size() == 1);
  }

  TEST_CASE("no timer touches a connection that was taken") {
    Connections c;
    c.pool.put(c.connect());
    const auto taken = c.pool.take();
    c.clock.advance(milliseconds(60'000));
    CHECK_FALSE(c.is_closed(0));
    c.backend_end(0).post("a reply");
    c.pipes[0].pump();
    CHECK(taken->stream->unread() == "a reply");
  }

  TEST_CASE("drops a connection that the backend closes, and learns from it") {
    Connections c;
    c.pool.put(c.connect());
    c.clock.advance(milliseconds(1000));
    c.backend_end(0).shutdown_write();
    c.pipes[0].pump();
    CHECK(c.pool.size() == 0);
    CHECK(c.horizon() == milliseconds(800));
  }

  TEST_CASE("drops a connection that the backend resets") {
    Connections c;
    c.pool.put(c.connect());
    c.backend_end(0).reset();
    c.pipes[0].pump();
    CHECK(c.pool.size() == 0);
  }

  TEST_CASE("drops a connection on which bytes arrive that nobody asked for") {
    Connections c;
    c.pool.put(c.connect());
    c.backend_end(0).post("H");
    c.pipes[0].pump();
    CHECK(c.pool.size() == 0);
    CHECK(c.is_closed(0));
    CHECK(c.horizon() == milliseconds(4000));
  }

  TEST_CASE("takes a connection without a look within ten milliseconds") {
    Connections c;
    auto connection = c.connect();
    static_cast<test::PipeStream&>(*connection->stream).pretend_quiet(false);
    c.pool.put(std::move(connection));
    c.clock.jump(milliseconds(9));
    CHECK(c.pool.take() != nullptr);
  }

  TEST_CASE("gives out a silent connection that idled for longer") {
    Connections c;
    c.pool.put(c.connect());
    c.clock.jump(milliseconds(3000));
    CHECK(c.pool.take() != nullptr);
  }

  TEST_CASE("does not give out a connection whose socket is not silent, nor an older one") {
    Connections c;
    c.pool.put(c.connect());
    auto dead = c.connect();
    static_cast<test::PipeStream&>(*dead->stream).pretend_quiet(false);
    c.pool.put(std::move(dead));
    c.clock.jump(milliseconds(1000));
    CHECK(c.pool.take() == nullptr);
    CHECK(c.is_closed(0));
    CHECK(c.is_closed(1));
    CHECK(c.horizon() == milliseconds(800));
  }

  TEST_CASE("does not give out what idled longer than a lesson learned meanwhile") {
    Connections c;
    c.pool.put(c.connect());
    c.clock.advance(milliseconds(2000));
    c.backends[0].note_idle_close(milliseconds(1000), c.clock.now());
    CHECK(c.pool.take() == nullptr);
    CHECK(c.is_closed(0));
  }

  TEST_CASE("closes the oldest beyond its bound, and counts that") {
    Connections c;
    c.settings.max_idle_per_backend = 2;
    const std::uint64_t hits = limit_hits(Limit::idle_connections);
    for (int i = 0; i < 3; ++i)
      c.pool.put(c.connect());
    CHECK(c.pool.size() == 2);
    CHECK(c.is_closed(0));
    CHECK_FALSE(c.is_closed(1));
    CHECK(limit_hits(Limit::idle_connections) == hits + 1);
  }

  TEST_CASE("keeps none when the operator wants none") {
    Connections c;
    c.settings.max_idle_per_backend = 0;
    c.pool.put(c.connect());
    c.settings.max_idle_per_backend = 1;
    c.settings.idle = milliseconds(0);
    c.pool.put(c.connect());
    CHECK(c.pool.size() == 0);
    CHECK(c.is_closed(0));
    CHECK(c.is_closed(1));
  }

  TEST_CASE("keeps no connection that has ended or holds unread bytes") {
    Connections c;
    auto ended = c.connect();
    c.backend_end(0).shutdown_write();
    c.pipes[0].pump();
    c.pool.put(std::move(ended));
    auto with_bytes = c.connect();
    c.backend_end(1).post("more than the reply");
    c.pipes[1].pump();
    c.pool.put(std::move(with_bytes));
    CHECK(c.pool.size() == 0);
  }

  TEST_CASE("close_all() closes every idle connection") {
    Connections c;
    for (int i = 0; i < 3; ++i)
      c.pool.put(c.connect());
    c.pool.close_all();
    CHECK(c.pool.size() == 0);
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(c.is_closed(i));
  }

  TEST_CASE("any of several idle connections may be the one that ends") {
    for (std::size_t ending = 0; ending < 3; ++ending) {
      Connections c;
      for (int i = 0; i < 3; ++i)
        c.pool.put(c.connect());
      c.backend_end(ending).shutdown_write();
      c.pipes[ending].pump();
      CHECK(c.pool.size() == 2);
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(c.is_closed(i) == (i == ending));
    }
  }
}
