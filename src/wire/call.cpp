#include "mcplb/wire/call.hpp"

#include "mcplb/base/limits.hpp"
#include "mcplb/wire/reply_reader.hpp"

namespace mcplb::wire {

Task<Result<CallReply>> call(net::Stream& stream, std::string request, http::Method method,
                             std::size_t body_bytes_max, Deadline deadline) {
  const http::Settings settings;
  auto sent = co_await stream.write(request, deadline);
  if (!sent) {
    Error error = sent.error();
    error.side = Error::Side::backend;
    co_return error;
  }
  ReplyReader reader(stream, settings);
  CallReply reply;
  for (int interim = 0; reply.status < 200; ++interim) {
    if (interim > limits::interim_replies_max) {
      co_return Error{Error::Kind::malformed, Error::Side::backend, 0, "too many interim replies"};
    }
    auto head = co_await reader.read_head(method, deadline);
    if (!head) co_return head.error();
    reply.status = reader.head().status;
  }
  while (true) {
    auto part = reader.next_part();
    if (!part) co_return part.error();
    if (reply.body.size() + part->content.size() > body_bytes_max) {
      co_return Error{Error::Kind::body_too_large, Error::Side::backend, 0, "reply too large"};
    }
    reply.body.append(part->content);
    if (part->last) co_return reply;
    if (!part->content.empty()) continue;
    auto more = co_await reader.more(deadline);
    if (more) continue;
    auto ended = reader.end_of_input(more.error());
    if (!ended) co_return ended.error();
  }
}

}  // namespace mcplb::wire
