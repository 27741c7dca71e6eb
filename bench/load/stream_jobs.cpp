#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/mcp/sse.hpp"

#include "load/jobs.hpp"
#include "load/session_client.hpp"

namespace mcplb::bench {
namespace {

constexpr std::size_t event_bytes_max = std::size_t{80} * 1024;

class StreamJob final : public Job {
 public:
  StreamJob(Context& context, Supervisor& supervisor)
      : context_(context),
        supervisor_(supervisor),
        client_(context) {}
  ~StreamJob() override {
    if (open_) --context_.tally.streams.open;
  }

 private:
  Task<void> run() override {
    auto opened = co_await open();
    open_ = opened;
    ++(open_ ? context_.tally.streams.open : context_.tally.streams.failed);
    supervisor_.on_stream_settled(open_);
    while (open_) {
      auto piece = co_await client_.client().piece();
      if (piece.empty()) break;
      read(piece);
    }
    if (!open_) co_return;
    ++context_.tally.streams.broken;
    --context_.tally.streams.open;
    open_ = false;
  }

  Task<bool> open() {
    Session session;
    auto opened = co_await client_.open(session);
    if (opened.failure != Failure::none) co_return false;
    context_.to_remove.push_back(session);
    auto stream = co_await client_.open_stream(session);
    co_return stream.failure == Failure::none;
  }

  void read(std::string_view piece) {
    while (!piece.empty()) {
      piece.remove_prefix(events_.feed(piece));
      if (events_.has_event()) on_event();
      if (events_.too_large()) return;
    }
  }

  void on_event() {
    Tally::Streams& streams = context_.tally.streams;
    const std::int64_t now_us = time_of_day_us();
    Event event;
    if (!read_event(events_.data(), event) || event.number != ++numbers_) {
      ++streams.wrong;
      return;
    }
    ++streams.events;
    context_.events.received.fetch_add(1, std::memory_order_relaxed);
    streams.latency.add(now_us - event.sent_us);
  }

  Context& context_;
  Supervisor& supervisor_;
  SessionClient client_;
  mcp::SseDataReader events_{event_bytes_max};
  std::uint64_t numbers_ = 0;
  bool open_ = false;
};

// The number behind "events": in the backend's answer.
std::uint64_t events_in(std::string_view answer) {
  constexpr std::string_view key = "\"events\":";
  const std::size_t at = answer.find(key);
  if (at == std::string_view::npos) return 0;
  const std::string_view rest = answer.substr(at + key.size());
  return parse_decimal(rest.substr(0, rest.find_first_not_of("0123456789"))).value_or(0);
}

class Emitter final : public Job {
 public:
  Emitter(Context& context, Supervisor& supervisor)
      : context_(context),
        supervisor_(supervisor),
        sleeper_(context.loop) {}

 private:
  Task<void> run() override {
    connect();
    const StreamPlan& plan = context_.scenario.streams;
    const std::int64_t every_us = std::int64_t{plan.emit_every_ms} * 1000;
    for (std::uint32_t number = 1; plan.emit_count == 0 || number <= plan.emit_count; ++number) {
      const std::int64_t when_us = context_.window.begin_us + number * every_us;
      if (when_us >= context_.window.end_us) break;
      co_await sleeper_.until(when_us);
      for (auto& backend : backends_) co_await emit(*backend);
    }
    supervisor_.on_work_done();
  }

  struct Backend {
    Backend(net::Loop& loop, const net::Address& address) : client(loop, address) {}
    Client client;
    std::string request;
  };

  void connect() {
    const StreamPlan& plan = context_.scenario.streams;
    const std::string body =
        R"({"count":1,"bytes":)" + std::to_string(plan.emit_bytes) + "}";
    for (const Url& url : plan.emit_urls) {
      auto address = net::Address::from_ip(url.ip, url.port);
      if (!address) continue;
      auto backend = std::make_unique<Backend>(context_.loop, *address);
      backend->request = "POST " + url.path + " HTTP/1.1\r\nHost: " + url.authority() +
                         "\r\nContent-Type: application/json\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body;
      backends_.push_back(std::move(backend));
    }
  }

  Task<void> emit(Backend& backend) {
    auto failure =
        co_await backend.client.exchange(backend.request, http::Method::post, context_.deadline());
    const bool ok = failure == Failure::none && backend.client.status() == 200;
    if (!ok) {
      ++context_.tally.failures["emit"];
      co_return;
    }
    const std::uint64_t events = events_in(backend.client.body());
    context_.tally.streams.expected += events;
    context_.events.expected.fetch_add(events, std::memory_order_relaxed);
  }

  Context& context_;
  Supervisor& supervisor_;
  Sleeper sleeper_;
  std::vector<std::unique_ptr<Backend>> backends_;
};

class Remover final : public Job {
 public:
  Remover(Context& context, Supervisor& supervisor)
      : context_(context),
        supervisor_(supervisor),
        client_(context) {}

 private:
  Task<void> run() override {
    while (!context_.to_remove.empty()) {
      Session session = std::move(context_.to_remove.back());
      context_.to_remove.pop_back();
      if (session.id.empty()) continue;
      auto removed = co_await client_.remove(session);
      // Who is gone is not asked for every one of thousands.
      if (removed.failure == Failure::connect || removed.failure == Failure::timeout) break;
      if (removed.failure == Failure::none) ++context_.tally.sessions.removed;
    }
    supervisor_.on_all_removed();
  }

  Context& context_;
  Supervisor& supervisor_;
  SessionClient client_;
};

}  // namespace

std::unique_ptr<Job> make_stream(Context& context, Supervisor& supervisor) {
  return std::make_unique<StreamJob>(context, supervisor);
}

std::unique_ptr<Job> make_emitter(Context& context, Supervisor& supervisor) {
  return std::make_unique<Emitter>(context, supervisor);
}

std::unique_ptr<Job> make_remover(Context& context, Supervisor& supervisor) {
  return std::make_unique<Remover>(context, supervisor);
}

}  // namespace mcplb::bench
