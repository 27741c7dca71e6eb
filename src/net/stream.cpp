#include "mcplb/net/stream.hpp"

#include <cerrno>
#include <algorithm>
#include <utility>

namespace mcplb::net {

void Stream::consume(std::size_t bytes) {
  input_.consume(bytes);
  if (!reading_ && !end_ && !input_.full()) start_reading();
}

void Stream::interrupt() {
  if (reader_ != nullptr) {
    reader_->complete(Error{Error::Kind::interrupted, Error::Side::self, 0, "asked to stop"});
  } else if (writer_ != nullptr && writer_->terms_.until_answer) {
    writer_->complete({});  // whoever reads next looks why
  }
}

void Stream::bytes_arrived(std::size_t count) {
  input_.commit(count);
  bytes_read_ += count;
  // Nobody reads and the block is full: the peer waits until consume() makes room.
  if (input_.full()) {
    reading_ = false;
    set_reading(false);
  }
  if (reader_ != nullptr) {
    reader_->complete({});
  } else if (writer_ != nullptr && writer_->terms_.until_answer) {
    writer_->complete({});
  } else if (watcher_ != nullptr) {
    watcher_->on_bytes_unasked();
  }
}

void Stream::read_ended(Error error) {
  input_.release_if_empty();
  if (end_) return;
  reading_ = false;
  end_ = error;
  if (reader_ != nullptr) {
    reader_->complete(error);
  } else if (writer_ != nullptr && writer_->terms_.until_answer) {
    writer_->complete({});  // whoever reads next learns of the end
  } else if (watcher_ != nullptr) {
    watcher_->on_peer_gone();
  }
}

void Stream::write_ended(std::optional<Error> error) {
  if (writer_ == nullptr) {
    if (watcher_ != nullptr) watcher_->on_write_ended(error);
    return;
  }
  if (error) {
    writer_->complete(*error);
  } else {
    writer_->complete({});
  }
}

bool Stream::MoreAwaiter::await_ready() {
  if (stream_.end_) {
    result_ = *stream_.end_;
    return true;
  }
  if (stream_.input_.full()) {
    result_ = Error{Error::Kind::overloaded, Error::Side::self, 0, "read buffer full"};
    return true;
  }
  return false;
}

void Stream::MoreAwaiter::await_suspend(std::coroutine_handle<> waiting) {
  MCPLB_ASSERT(stream_.reader_ == nullptr);
  waiting_ = waiting;
  stream_.reader_ = this;
  stream_.timers_.arm(*this, deadline_);
}

void Stream::MoreAwaiter::complete(Result<void> result) {
  disarm();
  stream_.reader_ = nullptr;
  result_ = std::move(result);
  waiting_.resume();
}

void Stream::MoreAwaiter::on_timer() {
  complete(Error{Error::Kind::timeout, Error::Side::self, 0, "no bytes before the deadline"});
}

Stream::WriteAwaiter::WriteAwaiter(Stream& stream, const Slices& bytes, const Terms& terms)
    : stream_(stream), terms_(terms) {
  const std::size_t size = bytes.size();
  const std::ptrdiff_t written = stream_.try_write(bytes);
  if (written < 0) {
    result_ = Error{Error::Kind::reset, Error::Side::self, static_cast<int>(-written),
                    "connection broke while writing"};
    return;
  }
  // All of it counts as written from here on: what is queued goes out or the stream is lost.
  stream_.bytes_written_ += size;
  if (static_cast<std::size_t>(written) < size) queue(bytes, static_cast<std::size_t>(written));
}

void Stream::WriteAwaiter::queue(const Slices& bytes, std::size_t taken) {
  MCPLB_ASSERT(stream_.writer_ == nullptr);
  queued_ = true;
  std::string rest;
  rest.reserve(bytes.size() - taken);
  std::size_t skip = taken;
  for (const std::string_view piece : bytes.pieces) {
    const std::size_t skipped = std::min(skip, piece.size());
    skip -= skipped;
    rest.append(piece.substr(skipped));
  }
  stream_.queue_write(std::move(rest));
  unacknowledged_ = stream_.unacknowledged();
}

void Stream::WriteAwaiter::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  stream_.writer_ = this;
  stream_.timers_.arm(*this, terms_.deadline);
}

void Stream::WriteAwaiter::complete(Result<void> result) {
  disarm();
  stream_.writer_ = nullptr;
  result_ = std::move(result);
  waiting_.resume();
}

void Stream::WriteAwaiter::on_timer() {
  const std::size_t unacknowledged = stream_.unacknowledged();
  // The socket says "writable" only when a good part of its buffer is free again: a peer that
  // reads slowly is seen by what it has acknowledged meanwhile.
  if (terms_.patience.count() > 0 && unacknowledged < unacknowledged_) {
    unacknowledged_ = unacknowledged;
    stream_.timers_.arm(*this, stream_.timers_.in(terms_.patience));
    return;
  }
  complete(Error{Error::Kind::timeout, Error::Side::self, 0, "peer takes no bytes"});
}

}  // namespace mcplb::net
