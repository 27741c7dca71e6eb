#include "mcplb/wire/request.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb::wire {
namespace {

constexpr std::string_view continue_reply = "HTTP/1.1 100 Continue\r\n\r\n";

Error body_too_large() {
  count_limit_hit(Limit::request_bytes);
  return {Error::Kind::body_too_large, Error::Side::client, 0,
          "request body is larger than limits.request_bytes_max"};
}

}  // namespace

void Request::clear() {
  head.clear();
  // One large message must not leave its memory behind in every reused object.
  if (body.capacity() > limits::scratch_bytes_kept) release(body);
  if (head_bytes.capacity() > limits::scratch_bytes_kept) release(head_bytes);
  body.clear();
  head_bytes.clear();
}

void Request::restore_fields() {
  if (head.fields.size() > 0) return;
  // It was within its limits when it came, whatever they are now.
  http::Settings unlimited;
  unlimited.headers_max = head_bytes.size();
  http::RequestHead again;
  if (http::parse_request_head(head_bytes, unlimited, again)) head.fields = std::move(again.fields);
}

Task<Result<void>> RequestReader::read_head(Request& out, Deadline deadline) {
  while (true) {
    auto taken = take_head(out);
    if (!taken) co_return taken.error();
    if (*taken) co_return {};
    auto more = co_await stream_.more(deadline);
    if (!more) co_return more.error().by(Error::Side::client);
  }
}

Result<bool> RequestReader::take_head(Request& out) {
  if (stream_.unread().empty()) return false;
  auto size = scanner_.scan(stream_.unread());
  if (!size) return size.error().by(Error::Side::client);
  const std::size_t seen = *size == 0 ? stream_.unread().size() : *size;
  if (seen > settings_.head_bytes_max || (*size == 0 && stream_.full())) {
    count_limit_hit(Limit::head_bytes);
    return Error{Error::Kind::head_too_large, Error::Side::client, 0,
                 "request head is larger than limits.head_bytes_max"};
  }
  if (*size == 0) return false;
  out.head_bytes.assign(stream_.unread().substr(0, *size));
  stream_.consume(*size);
  scanner_.reset();
  auto parsed = http::parse_request_head(out.head_bytes, settings_, out.head);
  if (!parsed) return parsed.error();
  return true;
}

bool RequestReader::take_body(Request& out) {
  const http::RequestHead& head = out.head;
  const bool no_body = head.framing == http::Framing::none;
  const bool all_there = head.framing == http::Framing::length &&
                         head.content_length <= stream_.unread().size() &&
                         head.content_length <= settings_.request_bytes_max;
  if (!no_body && !all_there) return false;
  const auto size = static_cast<std::size_t>(no_body ? 0 : head.content_length);
  out.body.reserve(size + Request::body_padding);
  out.body.assign(stream_.unread().substr(0, size));
  stream_.consume(size);
  return true;
}

Task<Result<void>> RequestReader::read_body(Request& out, milliseconds between) {
  const http::RequestHead& head = out.head;
  const bool announced = head.framing == http::Framing::length;
  if (announced && head.content_length > settings_.request_bytes_max) co_return body_too_large();
  if (head.expects_continue && head.framing != http::Framing::none && stream_.unread().empty()) {
    const Deadline deadline = stream_.timers().in(limits::client_write_stall);
    auto told = co_await stream_.write(continue_reply, deadline);
    if (!told) co_return told.error().by(Error::Side::client);
  }
  // What the client announces sizes nothing beyond one block: a claim costs it nothing.
  const std::uint64_t expected = announced ? head.content_length : 0;
  out.body.reserve(std::min<std::size_t>(expected, limits::buffer_block_bytes) +
                   Request::body_padding);
  body_.start(head.framing, head.content_length, Error::Side::client);
  while (!body_.done()) {
    if (stream_.unread().empty()) {
      const Deadline deadline = stream_.timers().in(between);
      auto more = co_await stream_.more(deadline);
      if (!more) co_return more.error().by(Error::Side::client);
    }
    auto step = body_.decode(stream_.data(), stream_.unread().size());
    if (!step) co_return step.error();
    out.body.append(step->content);
    stream_.consume(step->consumed);
    // What the client says is still to come counts: it need not be sent to be refused.
    const std::size_t room = settings_.request_bytes_max - std::min(
        out.body.size(), settings_.request_bytes_max);
    const bool over = out.body.size() > settings_.request_bytes_max || body_.announced() > room;
    if (over) co_return body_too_large();
    if (step->consumed > 0 || body_.done()) continue;
    // The decoder wants more than what is there before it can go on.
    const Deadline deadline = stream_.timers().in(between);
    auto more = co_await stream_.more(deadline);
    if (!more) co_return more.error().by(Error::Side::client);
  }
  if (out.body.capacity() < out.body.size() + Request::body_padding) {
    out.body.reserve(out.body.size() + Request::body_padding);
  }
  co_return {};
}

}  // namespace mcplb::wire
