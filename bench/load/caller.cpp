#include "mcplb/base/clock.hpp"

#include "load/jobs.hpp"
#include "load/session_client.hpp"

namespace mcplb::bench {
namespace {

// Between tries while there is nobody to talk to: a closed loop would spin.
constexpr milliseconds pause_without_server{50};
constexpr int opening_failures_max = 3;

class Caller final : public Job {
 public:
  Caller(Context& context, Supervisor& supervisor, std::size_t index, std::size_t callers)
      : context_(context),
        supervisor_(supervisor),
        client_(context),
        index_(index),
        callers_(callers) {}

 private:
  Task<void> run() override {
    co_await open_sessions();
    supervisor_.on_caller_ready();
    session_ = context_.sessions.empty() ? 0 : index_ % context_.sessions.size();
    while (true) {
      auto start = co_await context_.pacing.next();
      if (!start.go || context_.scenario.mix.empty()) break;
      const MixItem& item = pick();
      if (item.what == MixItem::What::churn) co_await churn(item, start.at_us);
      else co_await call(item, start.at_us);
    }
    context_.tally.reconnects += client_.client().reconnects();
    supervisor_.on_work_done();
  }

  // A server that opens none is not asked for every one of thousands.
  Task<void> open_sessions() {
    int failures = 0;
    for (std::size_t i = index_; i < context_.sessions.size(); i += callers_) {
      Session& session = context_.sessions[i];
      auto opened = co_await client_.open(session);
      const bool failed = opened.failure != Failure::none;
      failures = failed ? failures + 1 : 0;
      if (!failed) ++context_.tally.sessions.opened;
      if (failures == opening_failures_max) co_return;
    }
  }

  const MixItem& pick() {
    const auto& mix = context_.scenario.mix;
    if (mix.size() == 1) return mix.front();
    std::uint64_t total = 0;
    for (const MixItem& item : mix) total += item.weight;
    std::uint64_t at = context_.random.next() % total;
    for (const MixItem& item : mix) {
      if (at < item.weight) return item;
      at -= item.weight;
    }
    return mix.back();
  }

  Session& next_session() {
    if (context_.sessions.empty()) return none_;
    Session& session = context_.sessions[session_];
    session_ += callers_;
    if (session_ >= context_.sessions.size()) session_ = index_ % context_.sessions.size();
    return session;
  }

  Task<void> call(const MixItem& item, std::int64_t at_us) {
    Session& session = next_session();
    if (session.id.empty() && !context_.scenario.modern) {
      // A session that was lost is opened again by the next who needs it, on the caller's time.
      auto opened = co_await client_.open(session);
      if (opened.failure != Failure::none) {
        add(item.name, at_us, opened);
        if (must_pause(opened)) co_await pause();
        co_return;
      }
      ++context_.tally.sessions.reopened;
    }
    auto outcome = co_await client_.call(session, item);
    add(item.name, at_us, outcome);
    if (must_pause(outcome)) co_await pause();
  }

  // The latency of the whole, and of the first request, counts from the start that was planned.
  Task<void> churn(const MixItem& item, std::int64_t at_us) {
    if (item.fresh_connection) client_.client().close();
    Session session;
    auto outcome = co_await client_.initialize(session);
    add("initialize", at_us, outcome);
    if (outcome.failure == Failure::none && item.initialized) {
      const std::int64_t start = monotonic_us();
      auto told = co_await client_.confirm(session);
      add("initialized", start, told);
      keep_worse(outcome, told);
    }
    for (std::uint32_t i = 0; i < item.calls && !session.id.empty(); ++i) {
      const std::int64_t start = monotonic_us();
      auto called = co_await client_.call(session, item);
      add(name_of(item.tool), start, called);
      keep_worse(outcome, called);
    }
    if (!session.id.empty()) {
      const std::int64_t start = monotonic_us();
      auto removed = co_await client_.remove(session);
      add("delete", start, removed);
      keep_worse(outcome, removed);
    }
    const std::size_t kind = context_.tally.kind("churn", false);
    const std::int64_t now_us = monotonic_us();
    context_.tally.add(context_.window, {kind, at_us, now_us, outcome.failure, outcome.status, {}});
    if (must_pause(outcome)) co_await pause();
  }

  static void keep_worse(Outcome& outcome, const Outcome& other) {
    if (outcome.failure != Failure::none) return;
    outcome.failure = other.failure;
    outcome.status = other.status;
  }

  void add(std::string_view kind, std::int64_t started_us, const Outcome& outcome) {
    Tally& tally = context_.tally;
    tally.add(context_.window, {tally.kind(kind), started_us, outcome.ended_us, outcome.failure,
                                outcome.status, outcome.server});
  }

  // A proxy without a backend may accept and close: one that is closed twice in a row waits, too.
  bool must_pause(const Outcome& outcome) {
    const bool refused = outcome.failure == Failure::connect;
    const bool closed = outcome.failure == Failure::closed;
    const bool again = closed && closed_before_;
    closed_before_ = closed;
    return (refused || again) && context_.scenario.mode == Scenario::Mode::closed;
  }
  Task<void> pause() {
    net::Timers& timers = context_.loop.timers();
    co_await timers.sleep(timers.in(pause_without_server));
  }

  Context& context_;
  Supervisor& supervisor_;
  SessionClient client_;
  Session none_;  // of the modern era
  const std::size_t index_;
  const std::size_t callers_;
  std::size_t session_ = 0;  // the one to use next
  bool closed_before_ = false;
};

}  // namespace

std::unique_ptr<Job> make_caller(Context& context, Supervisor& supervisor, std::size_t index,
                                 std::size_t callers) {
  return std::make_unique<Caller>(context, supervisor, index, callers);
}

}  // namespace mcplb::bench
