#include "mcplb/net/stream.hpp"

#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

using namespace mcplb;

namespace {

constexpr std::size_t block_bytes = 1024;

struct Connected {
  test::FakeClock clock;
  BufferPool buffers{block_bytes};
  test::Pipe pipe{clock.timers(), buffers};
  test::PipeStream& near = *pipe.near;
  test::PipeStream& far = *pipe.far;

  Deadline soon() const { return clock.in(milliseconds(1000)); }
  test::Running<Result<void>> more() { return test::run(test::more(near, soon())); }
  test::Running<Result<void>> write(std::string bytes) {
    return test::run(test::write(near, std::move(bytes), soon()));
  }
};

Task<std::string> read_until_end(net::Stream& stream, Deadline deadline) {
  std::string all;
  while (true) {
    all += stream.unread();
    stream.consume(stream.unread().size());
    auto more = co_await stream.more(deadline);
    if (!more) break;
  }
  all += stream.unread();
  co_return all;
}

Task<Result<void>> write_slices(net::Stream& stream, net::Slices slices, Deadline deadline) {
  co_return co_await stream.write(slices, deadline);
}

Task<Result<void>> write_patiently(net::Stream& stream, std::string bytes,
                                   milliseconds patience) {
  net::Slices slices;
  slices.pieces[0] = bytes;
  co_return co_await stream.write_while_taken(slices, patience);
}

struct CountingWatcher final : net::Stream::Watcher {
  void on_bytes_unasked() override { ++bytes; }
  void on_peer_gone() override { ++gone; }
  int bytes = 0;
  int gone = 0;
};

struct DestroyingWatcher final : net::Stream::Watcher {
  explicit DestroyingWatcher(std::unique_ptr<test::PipeStream>& watched) : stream(watched) {}
  void on_bytes_unasked() override { stream.reset(); }
  void on_peer_gone() override { stream.reset(); }
  std::unique_ptr<test::PipeStream>& stream;
};

}  // namespace

TEST_SUITE("net/stream more()") {
  TEST_CASE("waits until bytes arrive") {
    Connected c;
    auto waiting = c.more();
    c.pipe.pump();
    CHECK_FALSE(waiting.done());
    c.far.post("abc");
    c.pipe.pump();
    REQUIRE(waiting.done());
    CHECK(waiting.result());
    CHECK(c.near.unread() == "abc");
    CHECK(c.near.bytes_read() == 3);
  }

  TEST_CASE("waits for more than what is unread already") {
    Connected c;
    c.far.post("abc");
    c.pipe.pump();
    auto waiting = c.more();
    CHECK_FALSE(waiting.done());
    c.far.post("def");
    c.pipe.pump();
    REQUIRE(waiting.done());
    CHECK(c.near.unread() == "abcdef");
  }

  TEST_CASE("a time-out loses nothing, and the stream goes on") {
    Connected c;
    c.far.post("abc");
    c.pipe.pump();
    auto waiting = c.more();
    c.clock.advance(milliseconds(1020));
    REQUIRE(waiting.done());
    CHECK(waiting.result().error().kind == Error::Kind::timeout);
    CHECK(c.near.unread() == "abc");
    auto again = c.more();
    c.far.post("def");
    c.pipe.pump();
    REQUIRE(again.done());
    CHECK(again.result());
    CHECK(c.near.unread() == "abcdef");
  }

  TEST_CASE("a wait that is over leaves no timer behind") {
    Connected c;
    auto waiting = c.more();
    c.far.post("a");
    c.pipe.pump();
    CHECK(waiting.done());
    c.clock.advance(milliseconds(5000));
    CHECK(waiting.result());
  }

  TEST_CASE("tells the end once the bytes before it have been delivered") {
    Connected c;
    c.far.post("last words");
    c.far.shutdown_write();
    auto first = c.more();
    c.pipe.pump();
    REQUIRE(first.done());
    CHECK(first.result());
    auto second = c.more();
    REQUIRE(second.done());
    CHECK(second.result().error().kind == Error::Kind::closed);
    CHECK(c.near.unread() == "last words");
    REQUIRE(c.near.end());
    CHECK(c.near.end()->kind == Error::Kind::closed);
  }

  TEST_CASE("tells a reset from an orderly end") {
    Connected c;
    auto waiting = c.more();
    c.far.reset();
    c.pipe.pump();
    REQUIRE(waiting.done());
    CHECK(waiting.result().error().kind == Error::Kind::reset);
  }

  TEST_CASE("is an error with a full buffer, and no more after consume()") {
    Connected c;
    c.far.post(std::string(block_bytes + 100, 'x'));
    c.pipe.pump();
    CHECK(c.near.full());
    auto waiting = c.more();
    REQUIRE(waiting.done());
    CHECK(waiting.result().error().kind == Error::Kind::overloaded);
    c.near.consume(1);
    auto again = c.more();
    c.pipe.pump();
    REQUIRE(again.done());
    CHECK(again.result());
  }

  TEST_CASE("a reader that is slow stops the peer at one block") {
    Connected c;
    c.far.post(std::string(3 * block_bytes, 'x'));
    c.pipe.pump();
    CHECK(c.near.unread().size() == block_bytes);
    CHECK_FALSE(c.near.is_reading());
    c.near.consume(10);
    CHECK(c.near.is_reading());
    c.pipe.pump();
    CHECK(c.near.unread().size() == block_bytes);
    CHECK(c.near.bytes_read() == block_bytes + 10);
  }

  TEST_CASE("everything arrives in order, however it is cut") {
    std::string message;
    for (int i = 0; i < 1000; ++i)
      message += std::to_string(i);
    for (const std::size_t at_most : {std::size_t{1}, std::size_t{7}, block_bytes}) {
      Connected c;
      c.near.deliver_at_most(at_most);
      auto reading = test::run(read_until_end(c.near, c.soon()));
      c.far.post(message);
      c.far.shutdown_write();
      c.pipe.pump();
      REQUIRE(reading.done());
      CHECK(reading.result() == message);
    }
  }

  TEST_CASE("holds no buffer while nothing is unread") {
    Connected c;
    c.far.post("abc");
    c.pipe.pump();
    const char* const block = c.near.data();
    c.near.consume(3);
    Buffer next(c.buffers);
    CHECK(next.prepare().data == block);
    next.release_if_empty();
  }

  TEST_CASE("interrupt() wakes the reader and loses nothing") {
    Connected c;
    c.near.interrupt();
    auto waiting = c.more();
    CHECK_FALSE(waiting.done());
    c.near.interrupt();
    REQUIRE(waiting.done());
    CHECK(waiting.result().error().kind == Error::Kind::interrupted);
    c.near.interrupt();
    auto again = c.more();
    c.far.post("abc");
    c.pipe.pump();
    REQUIRE(again.done());
    CHECK(again.result());
  }

  TEST_CASE("a reader that was cancelled is not told of anything") {
    Connected c;
    { const auto waiting = c.more(); }
    c.far.post("abc");
    c.pipe.pump();
    c.clock.advance(milliseconds(2000));
    CHECK(c.near.unread() == "abc");
    CHECK_FALSE(c.more().done());
  }
}

TEST_SUITE("net/stream write()") {
  TEST_CASE("is over at once when the socket takes everything") {
    Connected c;
    auto writing = c.write("abc");
    REQUIRE(writing.done());
    CHECK(writing.result());
    CHECK(c.near.bytes_written() == 3);
    c.pipe.pump();
    CHECK(c.far.take() == "abc");
  }

  TEST_CASE("writes slices as one, in order") {
    Connected c;
    net::Slices slices;
    slices.pieces = {"head ", "", "body ", "tail"};
    CHECK(slices.size() == 14);
    auto writing = test::run(write_slices(c.near, slices, c.soon()));
    REQUIRE(writing.done());
    c.pipe.pump();
    CHECK(c.far.take() == "head body tail");
  }

  TEST_CASE("waits for room, wherever between the slices it ends") {
    for (std::size_t room = 0; room <= 14; ++room) {
      CAPTURE(room);
      Connected c;
      c.near.hold_at_most(room);
      net::Slices slices;
      slices.pieces = {"head ", "", "body ", "tail"};
      auto writing = test::run(write_slices(c.near, slices, c.soon()));
      CHECK(writing.done() == (room == 14));
      if (room == 0) c.near.hold_at_most(1);
      c.pipe.pump();
      REQUIRE(writing.done());
      CHECK(writing.result());
      CHECK(c.far.take() == "head body tail");
      CHECK(c.near.bytes_written() == 14);
    }
  }

  TEST_CASE("what the socket did not take is copied: the caller's bytes may go") {
    Connected c;
    c.near.hold_at_most(2);
    auto bytes = std::make_unique<std::string>("abcdef");
    net::Slices slices;
    slices.pieces[0] = *bytes;
    auto writing = test::run(write_slices(c.near, slices, c.soon()));
    bytes.reset();
    c.pipe.pump();
    REQUIRE(writing.done());
    CHECK(c.far.take() == "abcdef");
  }

  TEST_CASE("times out when the peer takes nothing") {
    Connected c;
    c.near.hold_at_most(2);
    c.far.post(std::string(block_bytes, 'x'));
    auto writing = c.write("abcdef");
    c.clock.advance(milliseconds(1020));
    REQUIRE(writing.done());
    CHECK(writing.result().error().kind == Error::Kind::timeout);
  }

  TEST_CASE("waits on for a peer that takes little at a time, and not for one that takes nothing") {
    Connected c;
    constexpr milliseconds patience{1000};
    c.near.hold_at_most(500);
    c.far.deliver_at_most(10);
    auto writing = test::run(write_patiently(c.near, std::string(1000, 'x'), patience));
    // All along less fits into the "socket" than waits: the write itself makes no progress.
    for (int i = 0; i < 20; ++i) {
      c.clock.advance(milliseconds(900));
      REQUIRE_FALSE(writing.done());
      c.pipe.pump_once();
    }
    c.clock.advance(milliseconds(900));
    CHECK_FALSE(writing.done());
    c.clock.advance(milliseconds(1200));
    REQUIRE(writing.done());
    CHECK(writing.result().error().kind == Error::Kind::timeout);
  }

  TEST_CASE("is an error behind a write that was given up, never a mix of both") {
    Connected c;
    c.near.hold_at_most(2);
    { const auto given_up = c.write("abcdef"); }
    auto refused = c.write("xyz");
    REQUIRE(refused.done());
    CHECK_FALSE(refused.result());
    c.pipe.pump();
    CHECK(c.far.take() == "abcdef");
  }

  TEST_CASE("fails when the connection is broken, at once or while it waits") {
    Connected c;
    c.near.hold_at_most(2);
    auto waiting = c.write("abcdef");
    CHECK_FALSE(waiting.done());
    c.far.reset();
    c.pipe.pump();
    REQUIRE(waiting.done());
    CHECK(waiting.result().error().kind == Error::Kind::reset);
    auto again = c.write("abc");
    REQUIRE(again.done());
    CHECK(again.result().error().kind == Error::Kind::reset);
  }

  TEST_CASE("goes on after the peer has ended its side only") {
    Connected c;
    c.far.shutdown_write();
    c.pipe.pump();
    CHECK(c.near.end());
    CHECK(c.write("abc").result());
    c.pipe.pump();
    CHECK(c.far.take() == "abc");
  }

  TEST_CASE("a flow may read and write at the same time") {
    Connected c;
    c.near.hold_at_most(2);
    auto reading = c.more();
    auto writing = c.write("abcdef");
    c.far.post("xyz");
    c.pipe.pump();
    CHECK(reading.done());
    CHECK(writing.done());
    CHECK(c.far.take() == "abcdef");
  }
}

TEST_SUITE("net/stream watcher") {
  TEST_CASE("is told of bytes and of the end while nobody reads") {
    Connected c;
    CountingWatcher watcher;
    c.near.watch(&watcher);
    c.far.post("abc");
    c.pipe.pump();
    CHECK(watcher.bytes == 1);
    CHECK(watcher.gone == 0);
    c.far.shutdown_write();
    c.pipe.pump();
    CHECK(watcher.gone == 1);
    CHECK(c.near.unread() == "abc");
  }

  TEST_CASE("is not told what a reader gets, nor after it was taken away") {
    Connected c;
    CountingWatcher watcher;
    c.near.watch(&watcher);
    auto reading = c.more();
    c.far.post("abc");
    c.pipe.pump();
    CHECK(reading.done());
    c.near.watch(nullptr);
    c.far.post("def");
    c.far.shutdown_write();
    c.pipe.pump();
    CHECK(watcher.bytes == 0);
    CHECK(watcher.gone == 0);
  }

  TEST_CASE("may destroy the stream") {
    for (const bool with_bytes : {true, false}) {
      Connected c;
      DestroyingWatcher watcher(c.pipe.near);
      c.near.watch(&watcher);
      if (with_bytes) c.far.post("abc");
      if (!with_bytes) c.far.shutdown_write();
      c.pipe.pump();
      CHECK(c.pipe.near == nullptr);
    }
  }
}
