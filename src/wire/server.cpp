#include "mcplb/wire/server.hpp"

#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/http/writer.hpp"

namespace mcplb::wire {
namespace {

constexpr milliseconds head_time{10'000};
constexpr milliseconds body_time{10'000};
constexpr milliseconds idle_time{75'000};

void append_reply_head(std::string& out, const Reply& reply) {
  http::append_status_line(out, 1, reply.status, http::reason_phrase(reply.status));
  http::append_date(out);
  if (!reply.content_type.empty()) http::append_field(out, "Content-Type", reply.content_type);
  for (const auto& [name, value] : reply.fields) http::append_field(out, name, value);
}

int status_of(const Error& error) {
  switch (error.kind) {
    case Error::Kind::head_too_large: return 431;
    case Error::Kind::body_too_large: return 413;
    case Error::Kind::timeout: return 408;
    default: return 400;
  }
}

class ServedConnection final : public Job, private net::Stream::Watcher {
 public:
  ServedConnection(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                   const http::Settings& settings, Handler& handler, std::string peer)
      : loop_(loop),
        stream_(std::move(stream)),
        reader_(*stream_, settings),
        handler_(handler),
        peer_(std::move(peer)) {
    request_.peer = peer_;
  }

 private:
  Task<void> run() override {
    bool open = true;
    while (open) {
      auto served = co_await serve_one();
      open = served;
    }
  }

  // False when the connection is to be closed.
  Task<bool> serve_one() {
    request_.clear();
    if (stream_->unread().empty()) {
      auto begun = co_await stream_->more(loop_.timers().in(idle_time));
      if (!begun) co_return false;
    }
    auto head = co_await reader_.read_head(request_, loop_.timers().in(head_time));
    if (!head) {
      co_await refuse(head.error());
      co_return false;
    }
    auto body = co_await reader_.read_body(request_, body_time);
    if (!body) {
      co_await refuse(body.error());
      co_return false;
    }
    if (stream_->end()) co_return false;
    ReplyWriter writer(*stream_, request_);
    stream_->watch(this);
    co_await handler_.handle(request_, writer);
    stream_->watch(nullptr);
    co_return writer.answered() && !writer.must_close();
  }

  // Where the next request would begin is not known, so the connection ends with the answer.
  Task<void> refuse(Error error) {
    if (stream_->end()) co_return;
    Reply reply;
    reply.status = status_of(error);
    reply.content_type = "text/plain";
    reply.body = std::string(error.what) + "\n";
    request_.head.keep_alive = false;
    ReplyWriter writer(*stream_, request_);
    auto sent = co_await writer.send(std::move(reply));
    static_cast<void>(sent);
  }

  void on_bytes_unasked() override {}
  void on_peer_gone() override { cancel_soon(); }

  net::Loop& loop_;
  std::unique_ptr<net::Stream> stream_;
  RequestReader reader_;
  Handler& handler_;
  const std::string peer_;
  Request request_;
};

}  // namespace

Task<Result<void>> ReplyWriter::send(Reply reply) {
  answered_ = true;
  must_close_ = !request_.head.keep_alive;
  std::string bytes;
  append_reply_head(bytes, reply);
  http::append_field(bytes, "Content-Length", reply.body.size());
  if (must_close_) http::append_field(bytes, "Connection", "close");
  if (!must_close_ && request_.head.minor_version == 0) {
    http::append_field(bytes, "Connection", "keep-alive");
  }
  bytes += "\r\n";
  if (request_.head.method != http::Method::head) bytes += reply.body;
  const Deadline deadline = stream_.timers().in(limits::client_write_stall);
  co_return co_await stream_.write(bytes, deadline);
}

Task<Result<void>> ReplyWriter::begin(Reply head) {
  answered_ = true;
  chunked_ = request_.head.minor_version > 0;
  must_close_ = true;  // until finish() has put the end behind it
  std::string bytes;
  append_reply_head(bytes, head);
  if (chunked_) http::append_field(bytes, "Transfer-Encoding", "chunked");
  if (!chunked_ || !request_.head.keep_alive) http::append_field(bytes, "Connection", "close");
  bytes += "\r\n";
  const Deadline deadline = stream_.timers().in(limits::client_write_stall);
  co_return co_await stream_.write(bytes, deadline);
}

Task<Result<void>> ReplyWriter::write(std::string content) {
  if (content.empty()) co_return {};
  const http::ChunkHeader chunk(content.size());
  net::Slices bytes;
  if (chunked_) bytes.pieces[0] = chunk.text();
  bytes.pieces[1] = content;
  if (chunked_) bytes.pieces[2] = "\r\n";
  const Deadline deadline = stream_.timers().in(limits::client_write_stall);
  co_return co_await stream_.write(bytes, deadline);
}

Task<Result<void>> ReplyWriter::finish() {
  if (!chunked_) co_return {};
  must_close_ = !request_.head.keep_alive;
  const Deadline deadline = stream_.timers().in(limits::client_write_stall);
  co_return co_await stream_.write("0\r\n\r\n", deadline);
}

std::unique_ptr<Job> serve_connection(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                                      const http::Settings& settings, Handler& handler,
                                      std::string peer) {
  return std::make_unique<ServedConnection>(loop, std::move(stream), settings, handler,
                                            std::move(peer));
}

}  // namespace mcplb::wire
