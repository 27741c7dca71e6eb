#include "proxy/client_connection.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::proxy {
namespace {

// Scratch borrowed from the worker for as long as a request is served.
class BorrowedScratch {
 public:
  explicit BorrowedScratch(ScratchStore& store) : store_(store), scratch_(store.take()) {}
  ~BorrowedScratch() { store_.give_back(std::move(scratch_)); }
  BorrowedScratch(const BorrowedScratch&) = delete;
  BorrowedScratch& operator=(const BorrowedScratch&) = delete;
  Scratch& get() { return *scratch_; }

 private:
  ScratchStore& store_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace

ClientConnection::ClientConnection(Context& context, std::unique_ptr<net::Stream> stream,
                                   ClientInfo client, std::atomic<std::size_t>& worker_load)
    : context_(context),
      stream_(std::move(stream)),
      client_(std::move(client)),
      reader_(*stream_, context.http),
      count_(worker_load, context.shared.connections),
      idle_(*stream_) {}

// Small, because most connections idle most of the time.
Task<void> ClientConnection::run() {
  bool open = count_.total() <= context_.client.client_connections_max;
  if (!open) co_await refuse_connection();
  while (open) {
    if (stream_->unread().empty()) {
      if (context_.stopping) co_return;
      auto begun = co_await next_request();
      idle_.unlink();
      if (!begun) co_return;
    }
    auto reusable = co_await serve_one();
    open = reusable;
  }
}

// False when the connection ends with this request.
Task<bool> ClientConnection::serve_one() {
  context_.refresh();
  BorrowedScratch borrowed(context_.scratch);
  wire::Request& request = borrowed.get().request;
  const auto head_taken = reader_.take_head(request);
  if (!head_taken || !*head_taken || !reader_.take_body(request)) {
    auto read = co_await read_request(borrowed.get(), head_taken);
    if (!read) co_return false;
  }
  if (stream_->end()) co_return false;
  // Routes live as long as their router, which a change of the policy replaces.
  const std::shared_ptr<const Router> router = context_.router;
  Next next = Next::abort;
  stream_->watch(this);
  {
    Exchange exchange(context_, client_, *stream_, borrowed.get(),
                      router->find(client_.listener, request.head.authority, request.head.path));
    auto after = co_await exchange.run();
    next = after;
  }
  stream_->watch(nullptr);
  if (next == Next::close) co_await linger();
  co_return next == Next::reuse;
}

net::Stream::MoreAwaiter ClientConnection::next_request() {
  context_.idle_connections.push_back(idle_);
  return stream_->more(context_.loop.timers().in(context_.client.client_idle_timeout));
}

Task<void> ClientConnection::refuse_connection() {
  count_limit_hit(Limit::client_connections);
  count_.leave_process();
  Scratch unread;
  unread.request.head.method = http::Method::post;  // most likely; nothing has been read
  const LocalReply reply{Reason::overloaded, "limits.client_connections_max is reached", {}};
  co_await refuse(unread, nullptr, reply);
}

// A request that did not come in one piece, or is none. False: it was refused.
Task<bool> ClientConnection::read_request(Scratch& scratch, const Result<bool>& head_taken) {
  const Deadline head_by = context_.loop.timers().in(context_.client.head_timeout);
  Result<void> read = head_taken ? Result<void>() : head_taken.error();
  if (head_taken && !*head_taken) {
    auto head_read = co_await reader_.read_head(scratch.request, head_by);
    read = head_read;
  }
  // Keeps the route while the body is awaited, whatever becomes of the policy.
  const std::shared_ptr<const Router> router = context_.router;
  const Route* route = nullptr;
  if (read) {
    const http::RequestHead& head = scratch.request.head;
    route = router->find(client_.listener, head.authority, head.path);
    if (reader_.take_body(scratch.request)) co_return true;
    const ForwardSettings defaults;
    const milliseconds patience =
        (route == nullptr ? defaults : context_.pools[route->pool]->forward).request_body;
    auto body_read = co_await reader_.read_body(scratch.request, patience);
    read = body_read;
  }
  if (read) co_return true;
  const LocalReply reply = reply_to_bad_request(read.error());
  co_await refuse(scratch, route, reply);
  co_return false;
}

// Answers what could not be read as a request; the connection ends, because where the next
// request would begin is not known.
Task<void> ClientConnection::refuse(Scratch& scratch, const Route* route, LocalReply reply) {
  if (stream_->end()) co_return;
  http::RequestHead& head = scratch.request.head;
  // Also a head that broke a rule tells that it is a POST, which gets its answer as JSON-RPC.
  const std::string_view bytes_of_head =
      scratch.request.head_bytes.empty() ? stream_->unread() : scratch.request.head_bytes;
  if (head.method_text.empty() && bytes_of_head.starts_with("POST ")) {
    head.method = http::Method::post;
    head.method_text = bytes_of_head.substr(0, 4);
  }
  set_request_id(scratch, client_.trusted);
  AccessRecord record;
  record.message = &scratch.message;
  record.request_id = scratch.request_id;
  record.client = client_.ip;
  if (route != nullptr) record.pool = context_.pools[route->pool]->shared.pool.name();
  record.http_method = head.method_text;
  record.status = status_of(reply.reason);
  record.reason = reply.reason;
  record.end = {reply.reason == Reason::overloaded ? 'P' : 'C', 'R'};
  record.bytes_in = scratch.request.head_bytes.size() + scratch.request.body.size();
  const std::string bytes = render(reply, head, {}, scratch.request_id, true);
  record.bytes_out = bytes.size();
  RequestLabels labels;
  if (route != nullptr) labels.pool = route->pool;
  labels.status = record.status;
  PoolMetrics* const of_pool = route == nullptr ? nullptr : &context_.pools[route->pool]->metrics;
  context_.metrics.note_request(labels, {}, false, of_pool);
  context_.metrics.note_local_reply(reply.reason);
  write_access_line(record);
  const Deadline stall = context_.loop.timers().in(limits::client_write_stall);
  auto written = co_await stream_->write(bytes, stall);
  if (written) co_await linger();
}

// Closing with unread bytes would reset the connection and could take the reply with it, so what
// the client still sends is read for a while (RFC 9112 §9.6).
Task<void> ClientConnection::linger() {
  const Deadline deadline = context_.loop.timers().in(limits::linger_time);
  stream_->shutdown_write();
  std::size_t seen = 0;
  while (seen < limits::linger_bytes_max && !stream_->end()) {
    seen += stream_->unread().size();
    stream_->consume(stream_->unread().size());
    auto more = co_await stream_->more(deadline);
    if (!more) co_return;
  }
}

}  // namespace mcplb::proxy
