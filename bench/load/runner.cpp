#include "load/runner.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include "mcplb/base/clock.hpp"

namespace mcplb::bench {
namespace {

// A block takes the largest reply, so that it is read in as few pieces as the socket gives.
constexpr std::size_t block_bytes = std::size_t{128} * 1024;
// Streams that are being opened at the same time: a burst of thousands would overflow the queue of
// the listening socket, which is not what is measured.
constexpr std::uint32_t opening_streams_max = 32;
constexpr std::uint32_t removers_max = 16;
// Ids of two threads never meet, and stay short.
constexpr std::uint64_t ids_per_thread = 1'000'000'000;

std::optional<Schedule::Terms> terms_of(const Scenario& scenario, std::uint32_t index) {
  if (scenario.mode == Scenario::Mode::closed) return std::nullopt;
  Schedule::Terms terms;
  terms.rate = scenario.rate / scenario.threads;
  terms.poisson = scenario.poisson;
  terms.seed = scenario.seed + index;
  terms.offset = static_cast<double>(index) / scenario.threads;
  return terms;
}

}  // namespace

Runner::Runner(const Scenario& scenario, const net::Address& address, const Share& share,
               EventCounts& events, Progress& progress)
    : scenario_(scenario),
      share_(share),
      progress_(progress),
      loop_(block_bytes),
      context_(loop_, scenario, events),
      callers_(loop_),
      streams_(loop_) {
  context_.address = address;
  context_.next_id = share.index * ids_per_thread + 1;
  context_.random = Random(scenario.seed + share.index);
  if (!scenario.modern) context_.sessions.resize(share.sessions);
}

Runner::~Runner() = default;

void Runner::run() {
  loop_.post([this] {
    callers_getting_ready_ = share_.connections;
    for (std::uint32_t i = 0; i < share_.connections; ++i)
      callers_.spawn(make_caller(context_, *this, i, share_.connections));
    open_more_streams();
    tell_when_ready();
  });
  loop_.run();
}

void Runner::open_more_streams() {
  while (streams_begun_ < share_.streams &&
         streams_begun_ - streams_settled_ < opening_streams_max) {
    ++streams_begun_;
    streams_.spawn(make_stream(context_, *this));
  }
}

void Runner::on_stream_settled(bool /*open*/) {
  ++streams_settled_;
  // From the loop, not from the stream's own flow: they would nest.
  loop_.post([this] {
    open_more_streams();
    tell_when_ready();
  });
}

void Runner::on_caller_ready() {
  --callers_getting_ready_;
  tell_when_ready();
}

void Runner::tell_when_ready() {
  const bool ready = callers_getting_ready_ == 0 && streams_settled_ == share_.streams;
  if (!ready || told_ready_) return;
  told_ready_ = true;
  const auto& sessions = context_.sessions;
  const bool any = std::any_of(sessions.begin(), sessions.end(),
                               [](const Session& session) { return !session.id.empty(); });
  progress_.on_ready((sessions.empty() || any) &&
                     (share_.streams == 0 || context_.tally.streams.open > 0));
}

void Runner::begin(const Window& window) {
  loop_.post([this, window] { start_work(window); });
}

void Runner::start_work(const Window& window) {
  context_.window = window;
  // Each is done once, and none is before all are counted.
  const bool emits = share_.index == 0 && scenario_.streams.emit_every_ms > 0;
  working_ = share_.connections + (emits ? 1 : 0) + 1;
  if (emits) callers_.spawn(make_emitter(context_, *this));
  const std::int64_t patience_us = std::chrono::microseconds(scenario_.timeout).count();
  Pace pace;
  pace.window = window;
  pace.terms = terms_of(scenario_, share_.index);
  pace.start_us = monotonic_us();
  pace.give_up_us = window.end_us + patience_us;
  context_.pacing.begin(pace);
  on_work_done();
}

void Runner::on_work_done() {
  if (--working_ == 0) progress_.on_idle();
}

void Runner::note_open_streams() {
  loop_.post([this] { open_streams_ = context_.tally.streams.open; });
}

void Runner::finish() {
  loop_.post([this] { tidy_up(); });
}

void Runner::tidy_up() {
  streams_.cancel_all_soon();
  if (context_.pacing.unsent() > 0) context_.tally.add_unsent(context_.pacing.unsent());
  for (const Session& session : context_.sessions) {
    if (!session.id.empty()) context_.to_remove.push_back(session);
  }
  if (scenario_.keep_sessions) context_.to_remove.clear();
  const auto left = static_cast<std::uint32_t>(context_.to_remove.size());
  const std::uint32_t removers = std::min(left, removers_max);
  removing_ = removers + 1;
  for (std::uint32_t i = 0; i < removers; ++i)
    callers_.spawn(make_remover(context_, *this));
  on_all_removed();
}

void Runner::on_all_removed() {
  if (--removing_ > 0) return;
  context_.tally.streams.open = open_streams_;
  loop_.stop();
}

}  // namespace mcplb::bench
