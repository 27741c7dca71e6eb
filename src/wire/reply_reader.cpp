#include "mcplb/wire/reply_reader.hpp"

#include <utility>

#include "mcplb/base/text.hpp"

namespace mcplb::wire {

Task<Result<void>> ReplyReader::read_head(http::Method request_method, Deadline deadline) {
  while (true) {
    auto taken = take_head(request_method);
    if (!taken) co_return taken.error();
    if (*taken) co_return {};
    auto more = co_await stream_.more(deadline);
    if (!more) co_return more.error().by(Error::Side::backend);
  }
}

Result<bool> ReplyReader::take_head(http::Method request_method) {
  stream_.consume(std::exchange(to_consume_, 0));
  if (stream_.unread().empty()) return false;
  begun_ = true;
  // A server of another protocol (SSH, SMTP) shows itself before its first line ends.
  constexpr std::string_view first_bytes = "HTTP/1.";
  if (stream_.unread().substr(0, first_bytes.size()) !=
      first_bytes.substr(0, stream_.unread().size())) {
    return Error{Error::Kind::malformed, Error::Side::backend, 0, "the reply is not HTTP/1.x"};
  }
  auto size = scanner_.scan(stream_.unread());
  if (!size) return size.error().by(Error::Side::backend);
  const std::size_t seen = *size == 0 ? stream_.unread().size() : *size;
  if (seen > settings_.head_bytes_max || (*size == 0 && stream_.full())) {
    return Error{Error::Kind::head_too_large, Error::Side::backend, 0,
                 "reply head is larger than limits.head_bytes_max"};
  }
  if (*size == 0) return false;
  head_bytes_.assign(stream_.unread().substr(0, *size));
  stream_.consume(*size);
  scanner_.reset();
  auto parsed = http::parse_reply_head(head_bytes_, request_method, settings_, head_);
  if (!parsed) return parsed.error().by(Error::Side::backend);
  body_.start(head_.framing, head_.content_length, Error::Side::backend);
  return true;
}

void ReplyReader::drop_head_text() {
  head_.reason = {};
  head_.fields.release();
  release(head_bytes_);
}

Result<ReplyReader::Part> ReplyReader::next_part() {
  stream_.consume(std::exchange(to_consume_, 0));
  Part part;
  if (!body_.done() && !stream_.unread().empty()) {
    auto step = body_.decode(stream_.data(), stream_.unread().size());
    if (!step) return step.error().by(Error::Side::backend);
    part.content = step->content;
    to_consume_ = step->consumed;
  }
  part.last = body_.done();
  return part;
}

Result<void> ReplyReader::end_of_input(const Error& error) {
  if (error.kind != Error::Kind::closed) return error.by(Error::Side::backend);
  auto ended = body_.end_of_input();
  if (!ended) return ended.error().by(Error::Side::backend);
  return {};
}

bool ReplyReader::reusable() const {
  return body_.done() && head_.keep_alive && head_.framing != http::Framing::until_close &&
         stream_.unread().size() == to_consume_ && !stream_.end();
}

void ReplyReader::start_next() {
  stream_.consume(std::exchange(to_consume_, 0));
  begun_ = false;
}

}  // namespace mcplb::wire
