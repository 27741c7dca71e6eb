// What only a kernel can show: ends, resets, and what is known about bytes that were sent.
#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/net/tcp.hpp"

#include "support/raw_socket.hpp"
#include "support/run_task.hpp"

using namespace mcplb;

namespace {

Result<std::unique_ptr<net::Stream>> connect_to(net::Loop& loop, std::uint16_t port) {
  const auto address = net::Address::from_ip("127.0.0.1", port);
  return test::run_on(loop, net::connect(loop, *address, loop.timers().in(milliseconds(5000))));
}

// A stream of ours whose peer is a plain socket. Sends and closes of the peer reach our kernel at
// once, but the stream sees them only when the loop turns: in more().
struct OverLoopback {
  OverLoopback() {
    std::signal(SIGPIPE, SIG_IGN);  // As the server does.
    auto connected = connect_to(loop, listener.port());
    REQUIRE(connected);
    stream = *std::move(connected);
    peer = listener.accept();
  }
  Deadline soon() { return loop.timers().in(milliseconds(5000)); }
  Result<void> more() { return test::run_on(loop, test::more(*stream, soon())); }
  Result<void> write(std::string bytes) {
    return test::run_on(loop, test::write(*stream, std::move(bytes), soon()));
  }

  net::Loop loop{limits::buffer_block_bytes};
  test::RawListener listener;
  std::unique_ptr<net::Stream> stream;
  test::RawSocket peer;
};

Task<std::size_t> read_all(net::Stream& stream, Deadline deadline) {
  std::size_t total = 0;
  bool ended = false;
  while (!ended) {
    total += stream.unread().size();
    stream.consume(stream.unread().size());
    auto more = co_await stream.more(deadline);
    ended = !more;
  }
  total += stream.unread().size();
  co_return total;
}

}  // namespace

TEST_SUITE("net/tcp_stream") {
  TEST_CASE("carries bytes both ways") {
    OverLoopback c;
    CHECK(c.write("hello"));
    CHECK(c.peer.receive() == "hello");
    c.peer.send("and back");
    CHECK(c.more());
    CHECK(c.stream->unread() == "and back");
  }

  TEST_CASE("shutdown_write() ends our side only") {
    OverLoopback c;
    CHECK(c.write("request"));
    c.stream->shutdown_write();
    test::run_on(c.loop, test::turn(c.loop));
    CHECK(c.peer.receive() == "request");
    CHECK(c.peer.receive().empty());
    CHECK(c.peer.error() == 0);
    c.peer.send("reply");
    CHECK(c.more());
    CHECK(c.stream->unread() == "reply");
  }

  TEST_CASE("a destroyed stream is an orderly end for the peer, or a reset if asked for") {
    for (const bool with_reset : {false, true}) {
      OverLoopback c;
      if (with_reset) c.stream->reset_on_close(true);
      c.stream.reset();
      test::run_on(c.loop, test::turn(c.loop));
      CHECK(c.peer.receive().empty());
      CHECK(c.peer.error() == (with_reset ? ECONNRESET : 0));
    }
  }

  TEST_CASE("tells closed from reset") {
    OverLoopback closed;
    closed.peer.close();
    CHECK(closed.more().error().kind == Error::Kind::closed);
    OverLoopback reset;
    reset.peer.close_with_reset();
    CHECK(reset.more().error().kind == Error::Kind::reset);
  }

  TEST_CASE("an end that came with the last bytes is told behind them") {
    OverLoopback c;
    c.peer.send("last");
    c.peer.close();
    CHECK(c.more());
    CHECK(c.stream->unread() == "last");
    CHECK(c.more().error().kind == Error::Kind::closed);
  }

  TEST_CASE("an end is told to a reader that had stopped before it came") {
    OverLoopback c;
    c.peer.send(std::string(limits::buffer_block_bytes, 'x'));
    while (!c.stream->full())
      test::run_on(c.loop, test::turn(c.loop));
    c.peer.send("y");
    c.peer.close();
    test::run_on(c.loop, test::turn(c.loop));
    CHECK_FALSE(c.stream->end());
    CHECK(test::run_on(c.loop, read_all(*c.stream, c.soon())) == limits::buffer_block_bytes + 1);
    CHECK(c.stream->end()->kind == Error::Kind::closed);
  }

  TEST_CASE("urgent data, which nobody wants, hides nothing that comes behind it") {
    OverLoopback c;
    c.peer.send("be");
    c.peer.send_urgent('!');
    c.peer.send("hind");
    while (c.stream->unread().size() < 6)
      REQUIRE(c.more());
    CHECK(c.stream->unread() == "behind");
  }

  TEST_CASE("bytes that are queued without asking the socket go out") {
    struct Above : net::Stream {  // never made: what a stream on top of another one may call
      static void queue(net::Stream& below, std::string bytes) {
        queue_below(below, std::move(bytes));
      }
    };
    OverLoopback c;
    test::run_on(c.loop, test::turn(c.loop));
    Above::queue(*c.stream, "queued");
    test::run_on(c.loop, test::turn(c.loop));
    CHECK(c.peer.receive() == "queued");
  }

  TEST_CASE("bytes and an end that come while a connect waits are there when it is over") {
    net::Loop loop{limits::buffer_block_bytes};
    test::RawListener listener;
    const auto address = net::Address::from_ip("127.0.0.1", listener.port());
    auto connecting = net::connect(loop, *address, loop.timers().in(milliseconds(5000)));
    auto connected = test::run(std::move(connecting));
    test::RawSocket peer = listener.accept();
    peer.send("welcome");
    peer.close();
    while (!connected.done())
      test::run_on(loop, test::turn(loop));
    REQUIRE(connected.result());
    net::Stream& stream = **connected.result();
    const Deadline soon = loop.timers().in(milliseconds(5000));
    CHECK(test::run_on(loop, read_all(stream, soon)) == 7);
    CHECK(stream.end()->kind == Error::Kind::closed);
  }

  TEST_CASE("what one stream's bytes wake may destroy another one that has bytes, too") {
    struct Destroyer final : net::Stream::Watcher {
      void on_bytes_unasked() override { destroy(); }
      void on_peer_gone() override { destroy(); }
      void destroy() {
        ++calls;
        other->reset();
      }
      std::unique_ptr<net::Stream>* other = nullptr;
      int calls = 0;
    };
    net::Loop loop{limits::buffer_block_bytes};
    test::RawListener listener;
    std::array<std::unique_ptr<net::Stream>, 2> streams;
    std::array<test::RawSocket, 2> peers;
    std::array<Destroyer, 2> destroyers;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      streams[i] = *connect_to(loop, listener.port());
      peers[i] = listener.accept();
      destroyers[i].other = &streams[1 - i];
      streams[i]->watch(&destroyers[i]);
    }
    for (auto& peer : peers)
      peer.send("bytes");
    test::run_on(loop, test::turn(loop));
    CHECK(destroyers[0].calls + destroyers[1].calls == 1);
  }

  TEST_CASE("writing to a connection that was reset is an error") {
    OverLoopback c;
    c.peer.close_with_reset();
    const auto written = c.write("request");
    REQUIRE_FALSE(written);
    CHECK(written.error().kind == Error::Kind::reset);
  }

  TEST_CASE("a connection is quiet until bytes or an end wait in the socket") {
    OverLoopback with_bytes;
    CHECK(with_bytes.stream->is_quiet());
    with_bytes.peer.send("x");
    CHECK_FALSE(with_bytes.stream->is_quiet());
    CHECK(with_bytes.more());
    CHECK_FALSE(with_bytes.stream->is_quiet());
    with_bytes.stream->consume(1);
    CHECK(with_bytes.stream->is_quiet());
    OverLoopback with_end;
    with_end.peer.close();
    CHECK_FALSE(with_end.stream->is_quiet());
  }

  TEST_CASE("a peer that takes nothing times the write out, and may then be let go") {
    OverLoopback c;
    const std::string much(64 * 1024 * 1024, 'x');
    const auto written =
        test::run_on(c.loop, test::write(*c.stream, much, c.loop.timers().in(milliseconds(50))));
    REQUIRE_FALSE(written);
    CHECK(written.error().kind == Error::Kind::timeout);
    c.stream.reset();
    test::run_on(c.loop, test::turn(c.loop));
  }

  TEST_CASE("writing behind a write that was given up is an error, until that one has gone out") {
    OverLoopback c;
    const std::string much(16 * 1024 * 1024, 'x');
    {
      const auto given_up = test::run(test::write(*c.stream, much, c.soon()));
      CHECK_FALSE(given_up.done());
    }
    const auto refused = c.write("more");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().os_code == EBUSY);
    std::size_t received = 0;
    while (received < much.size()) {
      const std::string bytes = c.peer.receive(1024 * 1024);
      REQUIRE_FALSE(bytes.empty());
      received += bytes.size();
      test::run_on(c.loop, test::turn(c.loop));
    }
    CHECK(c.write("more"));
    CHECK(c.peer.receive() == "more");
  }

  TEST_CASE("a write that is cancelled keeps its bytes until the kernel is done with them") {
    OverLoopback c;
    {
      auto writing = test::run(test::write(*c.stream, std::string(8 * 1024 * 1024, 'x'), c.soon()));
      CHECK_FALSE(writing.done());
    }
    test::run_on(c.loop, test::turn(c.loop));
    CHECK_FALSE(c.peer.receive().empty());
  }

  TEST_CASE("a read-ahead beyond the block waits in the kernel and is not lost") {
    OverLoopback c;
    constexpr std::size_t total = 16 * limits::buffer_block_bytes;
    auto sender = std::thread([&] {
      c.peer.send(std::string(total, 'x'));
      c.peer.close();
    });
    while (!c.stream->full())
      test::run_on(c.loop, test::turn(c.loop));
    const auto read = test::run_on(c.loop, read_all(*c.stream, c.soon()));
    sender.join();
    CHECK(read == total);
  }
}

TEST_SUITE("net/tcp_stream proof of non-delivery") {
  TEST_CASE("holds when the peer had closed before the request was written") {
    OverLoopback c;
    c.peer.close();
    CHECK(c.write("request"));
    CHECK(c.more().error().kind == Error::Kind::closed);
    CHECK(c.stream->proves_nothing_delivered(0));
  }

  TEST_CASE("holds for the second request on a connection that served one") {
    OverLoopback c;
    CHECK(c.write("first request"));
    CHECK(c.peer.receive() == "first request");
    c.peer.send("reply");
    CHECK(c.more());
    c.stream->consume(5);
    const std::uint64_t before = c.stream->bytes_written();
    CHECK(before == 13);
    c.peer.close();
    CHECK(c.write("second request"));
    CHECK(c.more().error().kind == Error::Kind::closed);
    CHECK(c.stream->proves_nothing_delivered(before));
    CHECK_FALSE(c.stream->proves_nothing_delivered(0));
  }

  TEST_CASE("does not hold when the peer read the request and closed") {
    OverLoopback c;
    CHECK(c.write("request"));
    CHECK(c.peer.receive() == "request");
    c.peer.close();
    CHECK(c.more().error().kind == Error::Kind::closed);
    CHECK_FALSE(c.stream->proves_nothing_delivered(0));
  }

  TEST_CASE("does not hold when the peer read the request and reset") {
    OverLoopback c;
    CHECK(c.write("request"));
    CHECK(c.peer.receive() == "request");
    c.peer.close_with_reset();
    CHECK(c.more().error().kind == Error::Kind::reset);
    CHECK_FALSE(c.stream->proves_nothing_delivered(0));
  }

  TEST_CASE("does not hold when the peer closed without reading: its system had taken the bytes") {
    OverLoopback c;
    CHECK(c.write("request"));
    c.peer.close();
    CHECK_FALSE(c.more());
    CHECK_FALSE(c.stream->proves_nothing_delivered(0));
  }

  TEST_CASE("does not hold when the peer ended its side and still reads") {
    OverLoopback c;
    c.peer.shutdown_write();
    CHECK(c.write("request"));
    CHECK(c.more().error().kind == Error::Kind::closed);
    CHECK_FALSE(c.stream->proves_nothing_delivered(0));
    CHECK(c.peer.receive() == "request");
  }

  TEST_CASE("does not hold before the read side has ended") {
    OverLoopback c;
    CHECK(c.write("request"));
    CHECK_FALSE(c.stream->proves_nothing_delivered(0));
  }
}
