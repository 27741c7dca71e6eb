#include "load/client.hpp"

#include <utility>

#include "mcplb/net/tcp.hpp"
#include "mcplb/wire/reply_reader.hpp"

namespace mcplb::bench {
namespace {

// More than any reply that is asked for.
constexpr std::size_t body_bytes_max = std::size_t{4} * 1024 * 1024;
const http::Settings reply_settings{};

}  // namespace

struct Client::Link {
  explicit Link(std::unique_ptr<net::Stream> connected) : stream(std::move(connected)) {}
  std::unique_ptr<net::Stream> stream;
  wire::ReplyReader reader{*stream, reply_settings};
};

Client::Client(net::Loop& loop, const net::Address& address) : loop_(loop), address_(address) {}
Client::~Client() = default;

void Client::close() { link_.reset(); }

void Client::lose() {
  link_.reset();
  lost_ = true;
}

Failure Client::drop(const Error& error) {
  lose();
  if (error.kind == Error::Kind::timeout) return Failure::timeout;
  const bool ended = error.kind == Error::Kind::closed || error.kind == Error::Kind::reset;
  return ended ? Failure::closed : Failure::not_http;
}

Task<Failure> Client::connect(Deadline deadline) {
  auto stream = co_await net::connect(loop_, address_, deadline);
  if (!stream) co_return Failure::connect;
  link_ = std::make_unique<Link>(std::move(*stream));
  if (std::exchange(lost_, false)) ++reconnects_;
  co_return Failure::none;
}

Task<Failure> Client::begin(std::string_view request, http::Method method, Deadline deadline) {
  // One that the server closed while it was idle carries no request.
  if (link_ && link_->stream->end()) lose();
  if (!link_) {
    auto failure = co_await connect(deadline);
    if (failure != Failure::none) co_return failure;
  }
  auto written = co_await link_->stream->write(request, deadline);
  if (!written) co_return drop(written.error());
  status_ = 0;
  while (status_ < 200) {
    auto head = co_await link_->reader.read_head(method, deadline);
    if (!head) co_return drop(head.error());
    status_ = link_->reader.head().status;
  }
  note_head();
  co_return Failure::none;
}

void Client::note_head() {
  const http::ReplyHead& head = link_->reader.head();
  event_stream_ = head.event_stream;
  moved_ = head.fields.get("x-mcplb-session") == "moved";
  session_.assign(head.fields.get(http::Name::mcp_session_id));
}

Task<Failure> Client::exchange(std::string_view request, http::Method method, Deadline deadline) {
  auto begun = co_await begin(request, method, deadline);
  if (begun != Failure::none) co_return begun;
  auto read = co_await read_body(deadline);
  if (read != Failure::none) co_return read;
  if (link_->reader.reusable()) link_->reader.start_next();
  else lose();
  co_return Failure::none;
}

Task<Failure> Client::read_body(Deadline deadline) {
  body_.clear();
  while (true) {
    auto part = link_->reader.next_part();
    if (!part) co_return drop(part.error());
    body_ += part->content;
    if (part->last) co_return Failure::none;
    if (body_.size() > body_bytes_max) {
      lose();
      co_return Failure::wrong_body;
    }
    if (!part->content.empty()) continue;
    auto more = co_await link_->reader.more(deadline);
    if (more) continue;
    auto end = link_->reader.end_of_input(more.error());
    if (!end) co_return drop(end.error());
    co_return Failure::none;
  }
}

Task<std::string_view> Client::piece() {
  while (true) {
    auto part = link_->reader.next_part();
    if (!part) co_return std::string_view();
    if (!part->content.empty()) co_return part->content;
    if (part->last) co_return std::string_view();
    auto more = co_await link_->reader.more(Deadline::never());
    if (!more) co_return std::string_view();
  }
}

}  // namespace mcplb::bench
