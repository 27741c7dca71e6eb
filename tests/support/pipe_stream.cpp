#include "support/pipe_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace mcplb::test {

PipeStream::PipeStream(net::Timers& timers, BufferPool& buffers, std::shared_ptr<PipeWire> wire,
                       PipeDirection& out, PipeDirection& in)
    : Stream(timers, buffers),
      wire_(std::move(wire)),
      out_(out),
      in_(in) {
  out_.writer = this;
  in_.reader = this;
  start_reading();
}

PipeStream::~PipeStream() {
  const bool loses_bytes = !in_.in_flight.empty();
  end_output(reset_on_close_ || loses_bytes ? Error::Kind::reset : Error::Kind::closed);
  out_.writer = nullptr;
  in_.reader = nullptr;
  in_.in_flight.clear();
}

// A side ends once; a reset may still follow an orderly end.
void PipeStream::end_output(Error::Kind kind) {
  if (!out_.end || kind == Error::Kind::reset) out_.end = kind;
}

bool PipeStream::is_quiet() {
  if (pretended_quiet_) return *pretended_quiet_;
  return !end() && unread().empty() && in_.in_flight.empty() && !in_.end;
}

bool PipeStream::proves_nothing_delivered(std::uint64_t written_before) {
  if (pretended_proof_) return *pretended_proof_;
  const bool peer_is_gone = out_.reader == nullptr;
  return end() && end()->kind == Error::Kind::closed && peer_is_gone &&
         out_.delivered <= written_before;
}

void PipeStream::post(std::string_view bytes) {
  if (out_.reader != nullptr) out_.in_flight.append(bytes);
}

std::string PipeStream::take() {
  std::string taken(unread());
  consume(taken.size());
  return taken;
}

std::size_t PipeStream::room() const {
  return held_max_ - std::min(held_max_, out_.in_flight.size());
}

std::ptrdiff_t PipeStream::try_write(const net::Slices& bytes) {
  const bool broken = in_.end == Error::Kind::reset || out_.end.has_value();
  if (broken) return -EPIPE;
  // The first write to a peer that closed is taken and answered with RST, as by a kernel.
  if (out_.reader == nullptr) {
    out_.end = Error::Kind::reset;
    return static_cast<std::ptrdiff_t>(bytes.size());
  }
  if (write_waits_) return -EBUSY;
  std::size_t taken = 0;
  for (const std::string_view piece : bytes.pieces) {
    const std::string_view fits = piece.substr(0, room());
    out_.in_flight.append(fits);
    taken += fits.size();
    if (fits.size() < piece.size()) break;
  }
  return static_cast<std::ptrdiff_t>(taken);
}

void PipeStream::queue_write(std::string rest) {
  MCPLB_ASSERT(!write_waits_);
  waiting_ = std::move(rest);
  write_waits_ = true;
}

bool PipeStream::flush() {
  if (!write_waits_) return false;
  const bool broken = in_.end == Error::Kind::reset || out_.reader == nullptr;
  if (broken) {
    write_waits_ = false;
    write_ended(Error{Error::Kind::reset, Error::Side::self, EPIPE, "connection broke"});
    return true;
  }
  const std::size_t fits = std::min(room(), waiting_.size());
  if (fits == 0) return false;
  out_.in_flight.append(waiting_, 0, fits);
  waiting_.erase(0, fits);
  if (!waiting_.empty()) return true;
  write_waits_ = false;
  write_ended(std::nullopt);
  return true;
}

bool PipeStream::deliver() {
  if (!reading_on_ || in_.end_delivered) return false;
  if (!in_.in_flight.empty()) {
    const Buffer::Room room = input().prepare();
    const std::size_t count = std::min({room.size, in_.in_flight.size(), delivered_max_});
    std::memcpy(room.data, in_.in_flight.data(), count);
    in_.in_flight.erase(0, count);
    in_.delivered += count;
    bytes_arrived(count);
    return true;
  }
  if (!in_.end) return false;
  in_.end_delivered = true;
  read_ended({*in_.end, Error::Side::self, *in_.end == Error::Kind::reset ? ECONNRESET : 0,
              "peer ended the connection"});
  return true;
}

void PipeStream::fetch() {
  const Buffer::Room room = input().prepare();
  const std::size_t count = std::min({room.size, in_.in_flight.size(), delivered_max_});
  std::memcpy(room.data, in_.in_flight.data(), count);
  in_.in_flight.erase(0, count);
  in_.delivered += count;
  note_fetched(count);
  input().release_if_empty();
}

Pipe::Pipe(net::Timers& timers, BufferPool& buffers) : wire_(std::make_shared<PipeWire>()) {
  near = std::make_unique<PipeStream>(timers, buffers, wire_, wire_->to_far, wire_->to_near);
  far = std::make_unique<PipeStream>(timers, buffers, wire_, wire_->to_near, wire_->to_far);
}

bool Pipe::pump_once() {
  // Looked up anew each time: what was delivered before may have destroyed an end.
  for (PipeDirection* direction : {&wire_->to_far, &wire_->to_near}) {
    if (direction->reader != nullptr && direction->reader->deliver()) return true;
    if (direction->writer != nullptr && direction->writer->flush()) return true;
  }
  return false;
}

void Pipe::pump() {
  while (pump_once()) {
  }
}

}  // namespace mcplb::test
