// A two-way byte stream: TCP or unix socket, TLS on top of one, PipeStream in tests. Owned by one
// flow; used on its loop only. At most one task waits for bytes and one for a write.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mcplb/base/buffer.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/net/timers.hpp"

namespace mcplb::net {

// Up to four pieces that are written as one.
struct Slices {
  std::array<std::string_view, 4> pieces{};

  std::size_t size() const {
    std::size_t total = 0;
    for (const auto& piece : pieces) total += piece.size();
    return total;
  }
};

class Stream {
 public:
  // Told what happens on a stream that nobody waits for. Each call may destroy the stream.
  class Watcher {
   public:
    virtual void on_bytes_unasked() = 0;
    virtual void on_peer_gone() = 0;
    // What queue_below() was given is out, or will never be.
    virtual void on_write_ended(const std::optional<Error>& /*error*/) {}

   protected:
    ~Watcher() = default;
  };

  Stream(Timers& timers, BufferPool& buffers) : timers_(timers), input_(buffers) {}
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Unread bytes. Views end with the next co_await or consume().
  std::string_view unread() const { return input_.unread(); }
  char* data() { return input_.data(); }
  void consume(std::size_t bytes);
  bool full() const { return input_.full(); }
  // Set once the peer ended its side (closed) or the connection broke (reset).
  const std::optional<Error>& end() const { return end_; }

  class MoreAwaiter;
  // Waits until more bytes than now are unread. Errors: closed, reset, timeout, interrupted;
  // overloaded when the buffer is full. A time-out loses nothing: the stream stays usable.
  // Reading ahead is bounded by one buffer block: a reader that is slow stops the peer.
  MoreAwaiter more(Deadline deadline);

  class WriteAwaiter;
  // Writes all of it. What the socket takes is written by the call itself, and the rest is copied:
  // the pieces need not outlive it. Awaiting waits for the rest. After an error the stream is of
  // no more use for writing.
  WriteAwaiter write(const Slices& bytes, Deadline deadline);
  WriteAwaiter write(std::string_view bytes, Deadline deadline);
  // As write(), for a peer that may be slow: gives up when it acknowledged nothing for `patience`.
  WriteAwaiter write_while_taken(const Slices& bytes, milliseconds patience);
  // As write(), but the wait also ends, well, when the peer says something or ends first. What the
  // socket has not taken goes on being sent: see write_pending().
  WriteAwaiter write_until_answer(const Slices& bytes, Deadline deadline);
  // Bytes of a write whose wait has ended are still to be sent.
  virtual bool write_pending() const { return false; }

  // Wakes the task that waits in more() with Error::Kind::interrupted, or one that waits in
  // write_until_answer() as if there was an answer. Call it from a loop
  // callback or a timer, never from a task that the awakened one owns.
  void interrupt();
  // `watcher` outlives the stream or is taken away with nullptr.
  void watch(Watcher* watcher) { watcher_ = watcher; }

  // Everything the peer will ever get has been written; reading goes on.
  virtual void shutdown_write() = 0;
  // Whether closing sends RST instead of FIN: how a broken close-delimited body is told apart.
  virtual void reset_on_close(bool on) = 0;
  // False when bytes or an end wait in the socket: such an idle connection must not be reused.
  virtual bool is_quiet() = 0;
  // What is known about bytes that were written since `written_before` when the read side ended:
  // true only on proof that the peer's system never took any of them.
  virtual bool proves_nothing_delivered(std::uint64_t written_before) = 0;
  std::uint64_t bytes_written() const { return bytes_written_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  Timers& timers() { return timers_; }

 protected:
  // For implementations: called from I/O callbacks, and the last thing that the callback does,
  // because the resumed task may destroy the stream.
  Buffer& input() { return input_; }
  void bytes_arrived(std::size_t count);
  void read_ended(Error error);
  void write_ended(std::optional<Error> error);

  // Bytes of writes, queued ones included, that the peer's system has not acknowledged; 0 when not
  // known.
  virtual std::size_t unacknowledged() const { return 0; }
  // Takes what the socket takes at once. A negative number is an errno.
  virtual std::ptrdiff_t try_write(const Slices& bytes) = 0;
  // Owns `rest` until write_ended() is called, which is later and never from here.
  virtual void queue_write(std::string rest) = 0;
  virtual void set_reading(bool on) = 0;
  // Reads what waits in the socket now and wakes nobody. Called only while nothing is unread.
  virtual void fetch() = 0;
  // For fetch(): bytes that were read into input().
  void note_fetched(std::size_t count) {
    input_.commit(count);
    bytes_read_ += count;
  }

  // For a stream on top of another one, whose Watcher it is: the ways that suspend nobody.
  static std::ptrdiff_t try_write_below(Stream& below, const Slices& bytes) {
    return below.try_write(bytes);
  }
  static void queue_below(Stream& below, std::string rest) { below.queue_write(std::move(rest)); }
  static std::size_t unacknowledged_below(const Stream& below) { return below.unacknowledged(); }
  static void fetch_below(Stream& below) { below.fetch(); }

 private:
  Timers& timers_;
  Buffer input_;
  std::optional<Error> end_;
  MoreAwaiter* reader_ = nullptr;
  WriteAwaiter* writer_ = nullptr;
  Watcher* watcher_ = nullptr;
  bool reading_ = false;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t bytes_read_ = 0;

 protected:
  // Implementations call it once they can read.
  void start_reading() {
    reading_ = true;
    set_reading(true);
  }
};

class Stream::MoreAwaiter final : private Timer {
 public:
  MoreAwaiter(Stream& stream, Deadline deadline) : stream_(stream), deadline_(deadline) {}
  ~MoreAwaiter() override {
    if (stream_.reader_ == this) stream_.reader_ = nullptr;
  }
  MoreAwaiter(const MoreAwaiter&) = delete;
  MoreAwaiter& operator=(const MoreAwaiter&) = delete;

  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  Result<void> await_resume() const { return result_; }

 private:
  friend class Stream;
  void complete(Result<void> result);
  void on_timer() override;
  Stream& stream_;
  Deadline deadline_;
  Result<void> result_;
  std::coroutine_handle<> waiting_;
};

class Stream::WriteAwaiter final : private Timer {
 public:
  struct Terms {
    Deadline deadline = Deadline::never();
    milliseconds patience{0};   // re-armed for as long as the peer acknowledges; 0: never
    bool until_answer = false;
  };
  WriteAwaiter(Stream& stream, const Slices& bytes, const Terms& terms);
  ~WriteAwaiter() override {
    if (stream_.writer_ == this) stream_.writer_ = nullptr;
  }
  WriteAwaiter(const WriteAwaiter&) = delete;
  WriteAwaiter& operator=(const WriteAwaiter&) = delete;

  bool await_ready() const { return !queued_; }
  void await_suspend(std::coroutine_handle<> waiting);
  Result<void> await_resume() const { return result_; }

 private:
  friend class Stream;
  void queue(const Slices& bytes, std::size_t taken);
  void complete(Result<void> result);
  void on_timer() override;
  Stream& stream_;
  Terms terms_;
  bool queued_ = false;  // some of it waits for the socket
  std::size_t unacknowledged_ = 0;  // when the timer was armed
  Result<void> result_;
  std::coroutine_handle<> waiting_;
};

inline Stream::MoreAwaiter Stream::more(Deadline deadline) { return MoreAwaiter(*this, deadline); }
inline Stream::WriteAwaiter Stream::write(const Slices& bytes, Deadline deadline) {
  WriteAwaiter::Terms terms;
  terms.deadline = deadline;
  return WriteAwaiter(*this, bytes, terms);
}
inline Stream::WriteAwaiter Stream::write(std::string_view bytes, Deadline deadline) {
  Slices slices;
  slices.pieces[0] = bytes;
  return write(slices, deadline);
}
inline Stream::WriteAwaiter Stream::write_while_taken(const Slices& bytes, milliseconds patience) {
  WriteAwaiter::Terms terms;
  terms.deadline = timers_.in(patience);
  terms.patience = patience;
  return WriteAwaiter(*this, bytes, terms);
}
inline Stream::WriteAwaiter Stream::write_until_answer(const Slices& bytes, Deadline deadline) {
  WriteAwaiter::Terms terms;
  terms.deadline = deadline;
  terms.until_answer = true;
  return WriteAwaiter(*this, bytes, terms);
}

}  // namespace mcplb::net
