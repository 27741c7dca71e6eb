#include "mcplb/wire/call.hpp"

#include <utility>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/http/writer.hpp"
#include "mcplb/wire/reply_reader.hpp"

namespace mcplb::wire {
namespace {

std::string_view method_text(http::Method method) {
  switch (method) {
    case http::Method::get: return "GET";
    case http::Method::head: return "HEAD";
    case http::Method::post: return "POST";
    case http::Method::put: return "PUT";
    case http::Method::del: return "DELETE";
    case http::Method::options: return "OPTIONS";
    case http::Method::patch: return "PATCH";
    case http::Method::other: break;
  }
  MCPLB_ASSERT(false);
}

bool expects_body(http::Method method) {
  return method == http::Method::post || method == http::Method::put ||
         method == http::Method::patch;
}

CallHead describe(const http::ReplyHead& head) {
  CallHead described;
  described.status = head.status;
  described.event_stream = head.event_stream;
  described.content_type = head.fields.get(http::Name::content_type);
  if (head.fields.count(http::Name::mcp_session_id) == 1) {
    described.session = head.fields.get(http::Name::mcp_session_id);
  }
  described.retry_after = head.fields.get("Retry-After");
  for (const http::Field& field : head.fields) {
    if (!equals_ignoring_case(field.name, "WWW-Authenticate")) continue;
    if (!described.www_authenticate.empty()) described.www_authenticate += ", ";
    described.www_authenticate += field.value;
  }
  return described;
}

// Keeps the whole body, up to a bound.
class WholeReply final : public ReplySink {
 public:
  explicit WholeReply(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  bool on_head(const CallHead& head) override {
    reply.status = head.status;
    return true;
  }
  bool on_content(std::string_view content) override {
    too_large = content.size() > bytes_max_ - reply.body.size();
    if (!too_large) reply.body.append(content);
    return !too_large;
  }

  CallReply reply;
  bool too_large = false;

 private:
  const std::size_t bytes_max_;
};

// The final head, behind a bounded number of interim ones.
Task<Result<void>> read_final_head(ReplyReader& reader, http::Method method, Deadline deadline) {
  for (int interim = 0; interim <= limits::interim_replies_max; ++interim) {
    auto head = co_await reader.read_head(method, deadline);
    if (!head) co_return head.error();
    if (reader.head().status >= 200) co_return Result<void>();
  }
  co_return Error{Error::Kind::malformed, Error::Side::backend, 0, "too many interim replies"};
}

Task<Result<void>> send_and_read(net::Stream& stream, std::string request, http::Method method,
                                 ReplySink& sink, Deadline deadline) {
  const http::Settings settings;
  auto sent = co_await stream.write(request, deadline);
  if (!sent) co_return sent.error().by(Error::Side::backend);
  ReplyReader reader(stream, settings);
  auto head = co_await read_final_head(reader, method, deadline);
  if (!head) co_return head.error();
  if (!sink.on_head(describe(reader.head()))) co_return Result<void>();
  while (true) {
    auto part = reader.next_part();
    if (!part) co_return part.error();
    if (!part->content.empty() && !sink.on_content(part->content)) co_return Result<void>();
    if (part->last) co_return Result<void>();
    if (!part->content.empty()) continue;
    auto more = co_await reader.more(deadline);
    if (more) continue;
    auto ended = reader.end_of_input(more.error());
    if (!ended) co_return ended.error();
  }
}

}  // namespace

std::string to_bytes(const CallRequest& request) {
  std::string bytes(method_text(request.method));
  bytes += ' ';
  bytes += request.target;
  bytes += " HTTP/1.1\r\n";
  for (const CallField& field : request.fields) {
    if (!field.value.empty()) http::append_field(bytes, field.name, field.value);
  }
  bytes += request.lines;
  if (!request.body.empty() || expects_body(request.method)) {
    http::append_field(bytes, "Content-Length", request.body.size());
  }
  http::append_field(bytes, "Connection", "close");
  bytes += "\r\n";
  bytes += request.body;
  return bytes;
}

Task<Result<CallReply>> call(net::Stream& stream, std::string request, http::Method method,
                             std::size_t body_bytes_max, Deadline deadline) {
  WholeReply whole(body_bytes_max);
  auto ended = co_await send_and_read(stream, std::move(request), method, whole, deadline);
  if (!ended) co_return ended.error();
  if (whole.too_large) {
    co_return Error{Error::Kind::body_too_large, Error::Side::backend, 0, "reply too large"};
  }
  co_return std::move(whole.reply);
}

Task<Result<void>> call(net::Stream& stream, CallRequest request, ReplySink& sink,
                        Deadline deadline) {
  std::string bytes = to_bytes(request);
  co_return co_await send_and_read(stream, std::move(bytes), request.method, sink, deadline);
}

}  // namespace mcplb::wire
