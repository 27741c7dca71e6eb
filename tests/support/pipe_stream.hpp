// Two connected in-memory streams. Nothing moves until pump(): like a loop, it delivers one thing
// at a time from outside of every flow, so that no callback runs inside another.
//
//   Pipe pipe(clock.timers(), buffers);
//   auto reading = run(read_a_request(*pipe.near));
//   pipe.far->post("GET / HTTP/1.1\r\n");
//   pipe.pump();
//   pipe.far->take()                       // what the flow has answered
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mcplb/net/stream.hpp"

namespace mcplb::test {

inline constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

class PipeStream;

// The bytes on their way in one direction.
struct PipeDirection {
  PipeStream* writer = nullptr;  // null once it is destroyed
  PipeStream* reader = nullptr;
  std::string in_flight;
  std::uint64_t delivered = 0;
  std::optional<Error::Kind> end;  // closed or reset, after the bytes in flight
  bool end_delivered = false;
};

// Shared by both ends, because either may be destroyed first.
struct PipeWire {
  PipeDirection to_far;
  PipeDirection to_near;
};

class PipeStream final : public net::Stream {
 public:
  PipeStream(net::Timers& timers, BufferPool& buffers, std::shared_ptr<PipeWire> wire,
             PipeDirection& out, PipeDirection& in);
  // The peer sees FIN, or RST when bytes were on their way to us or reset_on_close() was called.
  ~PipeStream() override;

  void shutdown_write() override { end_output(Error::Kind::closed); }
  void reset_on_close(bool on) override { reset_on_close_ = on; }
  bool is_quiet() override;
  bool proves_nothing_delivered(std::uint64_t written_before) override;

  // What follows is for tests.

  // Writes without a flow and without limits.
  void post(std::string_view bytes);
  // Consumes and returns what has been delivered here.
  std::string take();
  // Breaks the connection: the peer sees RST behind what is on its way.
  void reset() { end_output(Error::Kind::reset); }
  // The "socket" holds this many undelivered bytes; a writer waits for room beyond that.
  void hold_at_most(std::size_t bytes) { held_max_ = bytes; }
  // At most this much arrives here at once; 1 splits every message at every byte.
  void deliver_at_most(std::size_t bytes) { delivered_max_ = bytes; }
  void pretend_quiet(bool quiet) { pretended_quiet_ = quiet; }
  void pretend_nothing_delivered(bool proof) { pretended_proof_ = proof; }
  bool is_writing() const { return write_waits_; }
  bool is_reading() const { return reading_on_; }
  // The peer will send nothing any more: it closed, or its side was ended.
  bool peer_has_ended() const { return in_.end.has_value(); }

 private:
  friend class Pipe;
  std::ptrdiff_t try_write(const net::Slices& bytes) override;
  void queue_write(std::string rest) override;
  void set_reading(bool on) override { reading_on_ = on; }
  std::size_t unacknowledged() const override { return out_.in_flight.size() + waiting_.size(); }
  void fetch() override;
  void end_output(Error::Kind kind);
  std::size_t room() const;
  // Each moves one thing and is done with this object then; false when there is nothing to move.
  bool flush();
  bool deliver();

  std::shared_ptr<PipeWire> wire_;
  PipeDirection& out_;
  PipeDirection& in_;
  std::string waiting_;  // of the one write that waits for room
  bool write_waits_ = false;
  bool reading_on_ = false;
  bool reset_on_close_ = false;
  std::size_t held_max_ = unlimited;
  std::size_t delivered_max_ = unlimited;
  std::optional<bool> pretended_quiet_;
  std::optional<bool> pretended_proof_;
};

class Pipe {
 public:
  Pipe(net::Timers& timers, BufferPool& buffers);

  // Delivers one thing. False when nothing moves any more.
  bool pump_once();
  void pump();

  std::unique_ptr<PipeStream> near;  // for the code under test, which may take it
  std::unique_ptr<PipeStream> far;   // the test's

 private:
  std::shared_ptr<PipeWire> wire_;
};

}  // namespace mcplb::test
