#include "proxy/relay.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/http/writer.hpp"

namespace mcplb::proxy {
namespace {

constexpr std::string_view comment = ":\n\n";
constexpr std::string_view crlf = "\r\n";
constexpr std::string_view last_chunk = "0\r\n\r\n";
constexpr std::string_view crlf_and_last_chunk = "\r\n0\r\n\r\n";

}  // namespace

Relay::Relay(net::Stream& client, cluster::Connection& backend, const RelaySettings& settings,
             std::uint64_t& client_bytes)
    : client_(client),
      backend_(backend),
      settings_(settings),
      last_bytes_at_(client.timers().now()),
      last_write_at_(last_bytes_at_),
      client_bytes_(client_bytes) {}

Task<RelayEnd> Relay::run(std::string& head) {
  while (true) {
    if (!take_part()) co_return backend_failed();
    bool looks_again = !part_.content.empty();
    if (announcement_) co_await pass_announcement();
    if (has_to_write(head)) {
      auto written = co_await write_part(head);
      if (!written) {
        error_ = written.error();
        co_return RelayEnd::client_gone;
      }
      // A stream that may stay open for hours keeps no memory for its head.
      settings_.stands() ? release(head) : head.clear();
      // More may have come meanwhile, or a wish.
      looks_again = true;
    }
    const auto end = end_after_part();
    if (end) co_return *end;
    if (looks_again) continue;
    auto more = co_await next_bytes();
    if (!goes_on_after(more)) co_return backend_failed();
  }
}

bool Relay::take_part() {
  if (held_ != nullptr) {
    const HeldContent& held = *std::exchange(held_, nullptr);
    part_ = {held.content, held.last};
    return true;
  }
  auto part = backend_.replies.next_part();
  if (!part) return fails(part.error());
  part_ = *part;
  return true;
}

// The part becomes what the tap lets go on.
Task<void> Relay::pass_announcement() {
  Announcement& announcement = *announcement_;
  if (announcement.tap.done()) {
    announcement_.reset();
    co_return;
  }
  announcement.released.clear();
  announcement.tap.feed(part_.content, announcement.released);
  if (part_.last) announcement.tap.finish(announcement.released);
  part_.content = announcement.released;
  if (announcement.tap.done()) co_await announcement.before();
}

bool Relay::has_to_write(const std::string& head) {
  if (settings_.event_stream) events_.feed(part_.content);
  if (copy_ != nullptr &&
      copy_->size() + part_.content.size() <= limits::session_opening_bytes_max) {
    *copy_ += part_.content;
  }
  stopped_ = !part_.last && is_wished(InFlight::Wish::stop) && events_.at_boundary();
  return !part_.content.empty() || part_.last || !head.empty() || stopped_ || comment_is_due_;
}

// The part, framed for the client, with the head before it and the end behind it where they fall
// together: one write.
net::Stream::WriteAwaiter Relay::write_part(std::string& head) {
  const std::string_view content = part_.content;
  const bool ends = part_.last || stopped_;
  if (std::exchange(comment_is_due_, false) && content.empty() && !ends) return write_comment();
  const bool chunked = settings_.framing == ClientFraming::chunked;
  const http::ChunkHeader chunk(content.size());
  std::string trailers;
  net::Slices bytes;
  bytes.pieces[0] = head;
  bytes.pieces[2] = content;
  if (chunked && !content.empty()) {
    bytes.pieces[1] = chunk.text();
    bytes.pieces[3] = ends ? crlf_and_last_chunk : crlf;
  } else if (chunked && ends) {
    bytes.pieces[3] = last_chunk;
  }
  if (chunked && part_.last && settings_.trailers && !backend_.replies.trailers().empty()) {
    trailers = content.empty() ? "0\r\n" : "\r\n0\r\n";
    trailers += backend_.replies.trailers();
    trailers += crlf;
    bytes.pieces[3] = trailers;
  }
  if (!head.empty() && content.size() <= limits::merged_body_bytes_max) {
    head.append(bytes.pieces[1]).append(content).append(bytes.pieces[3]);
    bytes = {};
    bytes.pieces[0] = head;
  }
  return write(bytes);
}

net::Stream::WriteAwaiter Relay::write_comment() {
  const http::ChunkHeader chunk(comment.size());
  const bool chunked = settings_.framing == ClientFraming::chunked;
  net::Slices bytes;
  if (chunked) bytes.pieces[0] = chunk.text();
  bytes.pieces[1] = comment;
  if (chunked) bytes.pieces[2] = crlf;
  return write(bytes);
}

net::Stream::WriteAwaiter Relay::write(const net::Slices& bytes) {
  client_bytes_ += bytes.size();
  last_write_at_ = client_.timers().now();
  return client_.write_while_taken(bytes, limits::client_write_stall);
}

std::optional<RelayEnd> Relay::end_after_part() {
  if (stopped_) return RelayEnd::stopped;
  if (part_.last) return RelayEnd::complete;
  if (is_wished(InFlight::Wish::leave) && events_.at_boundary()) return RelayEnd::left;
  if (!is_wished(InFlight::Wish::cut)) return std::nullopt;
  error_ = {Error::Kind::reset, Error::Side::backend, 0, "the backend was given up"};
  return backend_failed();
}

// Until it is time for a heartbeat, or the backend has been silent for too long.
net::Stream::MoreAwaiter Relay::next_bytes() {
  Deadline wake = Deadline::after(last_bytes_at_, settings_.stream_idle);
  if (settings_.event_stream && settings_.heartbeat.count() > 0) {
    wake = earlier(wake, Deadline::after(last_write_at_, settings_.heartbeat));
  }
  return backend_.replies.more(wake);
}

bool Relay::goes_on_after(const Result<void>& more) {
  const TimePoint now = client_.timers().now();
  if (more) {
    last_bytes_at_ = now;
    return true;
  }
  if (more.error().kind == Error::Kind::interrupted) return true;
  if (more.error().kind != Error::Kind::timeout) {
    auto ended = backend_.replies.end_of_input(more.error());
    return ended || fails(ended.error());
  }
  if (now - last_bytes_at_ >= settings_.stream_idle.count()) {
    return fails(
        {Error::Kind::timeout, Error::Side::backend, 0, "the reply stopped for too long"});
  }
  // Inside an event a comment would break it: the next look is one heartbeat later.
  comment_is_due_ = events_.at_boundary();
  if (!comment_is_due_) last_write_at_ = now;
  return true;
}

// False, for its caller to return.
bool Relay::fails(const Error& error) {
  error_ = error;
  return false;
}

RelayEnd Relay::backend_failed() const {
  return client_bytes_ == 0 ? RelayEnd::not_begun : RelayEnd::backend_broke;
}

}  // namespace mcplb::proxy
