#include "backend/connection.hpp"

#include <algorithm>
#include <coroutine>
#include <string>
#include <string_view>
#include <utility>

#include "mcplb/http/writer.hpp"
#include "mcplb/wire/request.hpp"

#include "texts/texts.hpp"

namespace mcplb::bench {
namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view no_session =
    R"({"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Session id required"}})";
constexpr std::string_view unknown_session =
    R"({"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}})";
constexpr std::string_view bad_json =
    R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}})";
constexpr std::string_view no_method =
    R"({"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"Method not found"}})";
constexpr milliseconds write_time{30'000};
constexpr milliseconds sleep_max{60'000};
constexpr std::size_t event_bytes_max = std::size_t{64} * 1024;

// Where the flow of an event stream waits until there are events.
class Bell {
 public:
  bool await_ready() const { return rung_; }
  void await_suspend(std::coroutine_handle<> waiting) { waiting_ = waiting; }
  void await_resume() { rung_ = false; }
  void ring() {
    rung_ = true;
    if (waiting_) std::exchange(waiting_, nullptr).resume();
  }

 private:
  bool rung_ = false;
  std::coroutine_handle<> waiting_;
};

class Connection final : public Job, private EventStream, private net::Stream::Watcher {
 public:
  Connection(net::Loop& loop, std::unique_ptr<net::Stream> stream, Shared& shared)
      : loop_(loop),
        stream_(std::move(stream)),
        reader_(*stream_, shared.http),
        shared_(shared) {}
  ~Connection() override {
    if (EventStream::linked()) --shared_.open_streams;
  }

 private:
  Task<void> run() override;
  Task<bool> serve_one();
  Task<bool> answer();
  Task<bool> answer_post();
  Task<bool> call_tool(bool modern);
  Task<bool> send_progress_and_result(bool modern);
  Task<bool> send_events();
  Task<bool> send();

  void emit(std::uint64_t count, std::size_t bytes) override;
  void on_bytes_unasked() override {}
  void on_peer_gone() override { cancel_soon(); }

  bool belongs_to_session();
  void write_emitted();
  void begin_reply(int status, std::string_view type);
  void reply_with(int status, std::string_view body, std::string_view type = json_type);
  void write_stats();
  std::string_view session() const {
    return request_.head.fields.get(http::Name::mcp_session_id);
  }
  Reply reply(bool modern) const { return {message_.id, shared_.name, message_.tag, modern}; }
  Deadline write_deadline() const { return loop_.timers().in(write_time); }

  net::Loop& loop_;
  std::unique_ptr<net::Stream> stream_;
  wire::RequestReader reader_;
  Shared& shared_;
  wire::Request request_;
  Message message_;
  std::string out_;
  std::string text_;
  std::string opened_;  // the session that this request opens
  Bell bell_;
  std::uint64_t events_due_ = 0;
  std::uint64_t events_sent_ = 0;
  std::size_t event_bytes_ = 0;
};

Task<void> Connection::run() {
  bool open = true;
  while (open) {
    auto served = co_await serve_one();
    open = served;
  }
}

Task<bool> Connection::serve_one() {
  request_.clear();
  auto head = co_await reader_.read_head(request_, Deadline::never());
  if (!head) co_return false;
  if (!reader_.take_body(request_)) {
    auto body = co_await reader_.read_body(request_, write_time);
    if (!body) co_return false;
  }
  ++shared_.requests;
  auto sent = co_await answer();
  co_return sent && request_.head.keep_alive;
}

Task<bool> Connection::send() {
  auto written = co_await stream_->write(out_, write_deadline());
  co_return static_cast<bool>(written);
}

// What has its own flow is awaited; everything else is one write.
Task<bool> Connection::answer() {
  const std::string_view path = request_.head.path;
  const http::Method method = request_.head.method;
  if (path == "/mcp" && method == http::Method::post) co_return co_await answer_post();
  if (path == "/mcp" && method == http::Method::get) {
    if (belongs_to_session()) co_return co_await send_events();
  } else if (path == "/mcp" && method == http::Method::del) {
    if (belongs_to_session()) {
      shared_.sessions.close(session());
      reply_with(200, {}, {});
    }
  } else if (path == "/bench/emit" && method == http::Method::post) {
    write_emitted();
  } else if (path == "/bench/stats") {
    write_stats();
  } else if (path == "/health") {
    reply_with(200, "{}");
  } else {
    reply_with(404, "not found\n", "text/plain");
  }
  co_return co_await send();
}

// Says so itself when the request names no session of ours.
bool Connection::belongs_to_session() {
  if (shared_.sessions.has(session())) return true;
  if (shared_.any_session && !session().empty()) return true;
  if (session().empty()) reply_with(400, no_session);
  else reply_with(404, unknown_session);
  return false;
}

Task<bool> Connection::answer_post() {
  const bool modern =
      request_.head.fields.get(http::Name::mcp_protocol_version) == modern_version;
  text_.clear();
  if (!shared_.messages.read(request_.body, message_)) {
    reply_with(400, bad_json);
  } else if (message_.method == "initialize" && !modern) {
    opened_ = shared_.sessions.open();
    append_initialize_result(text_, reply(modern));
    reply_with(opened_.empty() ? 503 : 200, text_);
    opened_.clear();
  } else if (modern || belongs_to_session()) {
    if (message_.method == "tools/call") co_return co_await call_tool(modern);
    if (message_.id.empty()) {
      reply_with(202, {}, {});
    } else if (message_.method == "server/discover" && modern) {
      append_discover_result(text_, reply(modern));
      reply_with(200, text_);
    } else if (message_.method == "ping") {
      append_empty_result(text_, message_.id);
      reply_with(200, text_);
    } else {
      reply_with(modern ? 404 : 200, no_method);
    }
  }
  co_return co_await send();
}

Task<bool> Connection::call_tool(bool modern) {
  const Tool tool = tool_of(message_.tool);
  if (tool == Tool::events) co_return co_await send_progress_and_result(modern);
  if (tool == Tool::sleep) {
    stream_->watch(this);
    const milliseconds wait(static_cast<std::int64_t>(message_.ms));
    // The reply is made from the request's bytes, which stay until the next one is read.
    co_await loop_.timers().sleep(loop_.timers().in(std::min(wait, sleep_max)));
    stream_->watch(nullptr);
  }
  if (tool == Tool::unknown) {
    reply_with(200, no_method);
  } else {
    append_result(text_, reply(modern), tool);
    reply_with(200, text_);
  }
  co_return co_await send();
}

// Each event is a write of its own, as servers do it that send what has just happened.
Task<bool> Connection::send_progress_and_result(bool modern) {
  begin_reply(200, "text/event-stream");
  out_ += "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int number = 1; number <= progress_events + 1; ++number) {
    text_.clear();
    if (number <= progress_events) append_progress(text_, message_.id, number);
    else append_result(text_, reply(modern), Tool::events);
    std::string event;
    append_sse(event, text_);
    out_ += http::ChunkHeader(event.size()).text();
    out_ += event;
    out_ += "\r\n";
    if (number > progress_events) out_ += "0\r\n\r\n";
    auto written = co_await stream_->write(out_, write_deadline());
    if (!written) co_return false;
    out_.clear();
  }
  co_return true;
}

Task<bool> Connection::send_events() {
  begin_reply(200, "text/event-stream");
  out_ += "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n: open\n\n\r\n";
  auto begun = co_await stream_->write(out_, write_deadline());
  if (!begun) co_return false;
  // Thousands of streams idle: none of them keeps what it needed for its requests.
  request_ = {};
  std::string().swap(out_);
  shared_.streams.push_back(*this);
  ++shared_.open_streams;
  stream_->watch(this);
  while (true) {
    co_await bell_;
    while (events_sent_ < events_due_) {
      text_.clear();
      append_event(text_, {++events_sent_, time_of_day_us()}, event_bytes_);
      std::string event;
      append_sse(event, text_);
      const http::ChunkHeader chunk(event.size());
      const net::Slices bytes{{chunk.text(), event, "\r\n"}};
      ++shared_.events;
      auto written = co_await stream_->write(bytes, write_deadline());
      if (!written) co_return false;
    }
  }
}

void Connection::emit(std::uint64_t count, std::size_t bytes) {
  events_due_ += count;
  event_bytes_ = bytes;
  bell_.ring();
}

void Connection::write_emitted() {
  const bool read = shared_.messages.read(request_.body, message_);
  if (!read || message_.bytes > event_bytes_max || message_.count > 1'000) {
    reply_with(400, "wanted: {\"count\":1,\"bytes\":200}\n", "text/plain");
    return;
  }
  std::uint64_t streams = 0;
  shared_.streams.for_each([this, &streams](EventStream& stream) {
    ++streams;
    stream.emit(message_.count, message_.bytes);
  });
  text_ = R"({"streams":)" + std::to_string(streams) + R"(,"events":)" +
          std::to_string(streams * message_.count) + "}\n";
  reply_with(200, text_);
}

void Connection::write_stats() {
  const auto add = [this](std::string_view name, std::uint64_t value) {
    text_ += ",\"";
    text_ += name;
    text_ += "\":";
    text_ += std::to_string(value);
  };
  text_ = R"({"name":")" + shared_.name + "\"";
  add("requests", shared_.requests);
  add("sessions", shared_.sessions.size());
  add("streams", shared_.open_streams);
  add("events", shared_.events);
  text_ += "}\n";
  reply_with(200, text_);
}

void Connection::begin_reply(int status, std::string_view type) {
  out_.clear();
  http::append_status_line(out_, 1, status, http::reason_phrase(status));
  if (!type.empty()) http::append_field(out_, "Content-Type", type);
  const std::string_view id = opened_.empty() ? session() : std::string_view(opened_);
  if (!id.empty()) http::append_field(out_, "Mcp-Session-Id", id);
}

void Connection::reply_with(int status, std::string_view body, std::string_view type) {
  begin_reply(status, type);
  http::append_field(out_, "Content-Length", body.size());
  if (!request_.head.keep_alive) http::append_field(out_, "Connection", "close");
  out_ += "\r\n";
  out_ += body;
}

}  // namespace

std::unique_ptr<Job> make_connection(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                                     Shared& shared) {
  return std::make_unique<Connection>(loop, std::move(stream), shared);
}

}  // namespace mcplb::bench
