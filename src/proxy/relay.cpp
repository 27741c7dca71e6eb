#include "proxy/relay.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/http/writer.hpp"

namespace mcplb::proxy {
namespace {

constexpr std::string_view comment = ":\n\n";
constexpr std::string_view crlf = "\r\n";
constexpr std::string_view last_chunk = "0\r\n\r\n";
constexpr std::string_view crlf_and_last_chunk = "\r\n0\r\n\r\n";

}  // namespace

Relay::Relay(net::Stream& client, cluster::Connection& backend, OpenStreams& streams,
             const RelaySettings& settings, std::uint64_t& client_bytes)
    : client_(client),
      backend_(backend),
      settings_(settings),
      open_stream_(*backend.stream),
      last_bytes_at_(client.timers().now()),
      last_write_at_(last_bytes_at_),
      client_bytes_(client_bytes) {
  if (settings_.event_stream && settings_.ends_on_stop) streams.add(open_stream_);
}

Task<RelayEnd> Relay::run(std::string& head) {
  while (true) {
    auto part = next_part();
    if (!part) co_return backend_failed(part.error());
    const bool has_bytes = !part->content.empty() || part->last || !head.empty();
    if (has_bytes || open_stream_.end_requested()) {
      const net::Slices bytes = frame(head, *part);
      if (before_announcing_ && tap_->done()) {
        const BeforeAnnouncing before = std::exchange(before_announcing_, nullptr);
        co_await before();
      }
      auto written = co_await client_.write_while_taken(bytes, limits::client_write_stall);
      if (!written) co_return client_failed(written.error());
      head.clear();
    }
    if (stopped_) co_return RelayEnd::stopped;
    if (part->last) co_return RelayEnd::complete;
    if (leaves()) co_return RelayEnd::left;
    if (is_given_up()) co_return backend_failed(error_);
    if (!part->content.empty()) continue;
    const Deadline wake = next_wake();
    auto more = co_await backend_.replies.more(wake);
    if (more) {
      last_bytes_at_ = client_.timers().now();
      continue;
    }
    const Wait wait = after_wait(more.error());
    if (wait == Wait::end) co_return backend_failed(error_);
    if (wait == Wait::heartbeat) {
      auto written = co_await write_comment();
      if (!written) co_return client_failed(written.error());
    }
  }
}

Result<wire::ReplyReader::Part> Relay::next_part() {
  if (held_ == nullptr) return backend_.replies.next_part();
  const HeldContent& held = *std::exchange(held_, nullptr);
  wire::ReplyReader::Part part;
  part.content = held.content;
  part.last = held.last;
  return part;
}

// Sets error_ when it is.
bool Relay::is_given_up() {
  if (in_flight_ == nullptr || in_flight_->wish() != InFlight::Wish::cut) return false;
  error_ = {Error::Kind::reset, Error::Side::backend, 0, "the backend was given up"};
  return true;
}

bool Relay::leaves() const {
  return in_flight_ != nullptr && in_flight_->wish() == InFlight::Wish::leave &&
         events_.at_boundary();
}

// Content, framed for the client, with the head before it and the end behind it where they fall
// together: one write. May be nothing.
net::Slices Relay::frame(std::string& head, const wire::ReplyReader::Part& part) {
  std::string_view content = part.content;
  if (tap_ != nullptr && !tap_->done()) {
    tapped_.clear();
    tap_->feed(content, tapped_);
    if (part.last) tap_->finish(tapped_);
    content = tapped_;
  }
  if (settings_.event_stream) events_.feed(content);
  if (copy_ != nullptr && copy_->size() + content.size() <= copy_bytes_max_) *copy_ += content;
  stopped_ = !part.last && open_stream_.end_requested() && events_.at_boundary();
  const bool ends = part.last || stopped_;
  const bool chunked = settings_.framing == ClientFraming::chunked;
  net::Slices bytes;
  bytes.pieces[0] = head;
  bytes.pieces[2] = content;
  if (chunked && !content.empty()) {
    chunk_ = http::ChunkHeader(content.size());
    bytes.pieces[1] = chunk_.text();
    bytes.pieces[3] = ends ? crlf_and_last_chunk : crlf;
  } else if (chunked && ends) {
    bytes.pieces[3] = last_chunk;
  }
  if (chunked && part.last && settings_.trailers && !backend_.replies.trailers().empty()) {
    trailers_ = content.empty() ? "0\r\n" : "\r\n0\r\n";
    trailers_ += backend_.replies.trailers();
    trailers_ += crlf;
    bytes.pieces[3] = trailers_;
  }
  if (!head.empty() && content.size() <= limits::merged_body_bytes_max) {
    head.append(bytes.pieces[1]).append(content).append(bytes.pieces[3]);
    bytes = {};
    bytes.pieces[0] = head;
  }
  client_bytes_ += bytes.size();
  last_write_at_ = client_.timers().now();
  return bytes;
}

Task<Result<void>> Relay::write_comment() {
  const http::ChunkHeader chunk(comment.size());
  const bool chunked = settings_.framing == ClientFraming::chunked;
  net::Slices bytes;
  if (chunked) bytes.pieces[0] = chunk.text();
  bytes.pieces[1] = comment;
  if (chunked) bytes.pieces[2] = crlf;
  client_bytes_ += bytes.size();
  last_write_at_ = client_.timers().now();
  co_return co_await client_.write_while_taken(bytes, limits::client_write_stall);
}

Deadline Relay::next_wake() const {
  const Deadline idle = Deadline::after(last_bytes_at_, settings_.stream_idle);
  if (!settings_.event_stream || settings_.heartbeat.count() == 0) return idle;
  return earlier(idle, Deadline::after(last_write_at_, settings_.heartbeat));
}

// What the end of a wait without bytes means. Sets error_ for Wait::end.
Relay::Wait Relay::after_wait(const Error& error) {
  if (error.kind == Error::Kind::interrupted) return Wait::more;
  if (error.kind == Error::Kind::timeout) {
    const TimePoint now = client_.timers().now();
    const bool silent = now - last_bytes_at_ >= settings_.stream_idle.count();
    error_ = {Error::Kind::timeout, Error::Side::backend, 0, "the reply stopped for too long"};
    if (silent) return Wait::end;
    // Inside an event a comment would break it: the next look is one heartbeat later.
    const bool may_comment = events_.at_boundary();
    if (!may_comment) last_write_at_ = now;
    return may_comment ? Wait::heartbeat : Wait::more;
  }
  auto ended = backend_.replies.end_of_input(error);
  if (ended) return Wait::more;
  error_ = ended.error();
  return Wait::end;
}

RelayEnd Relay::backend_failed(const Error& error) {
  error_ = error;
  return client_bytes_ == 0 ? RelayEnd::not_begun : RelayEnd::backend_broke;
}

RelayEnd Relay::client_failed(const Error& error) {
  error_ = error;
  return RelayEnd::client_gone;
}

}  // namespace mcplb::proxy
