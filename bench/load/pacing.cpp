#include "load/pacing.hpp"

#include <algorithm>

#include "mcplb/base/clock.hpp"

namespace mcplb::bench {

void Pacing::begin(const Pace& pace) {
  pace_ = pace;
  if (pace.terms) schedule_.emplace(*pace.terms, pace.start_us);
  begun_ = true;
  hand_out();
}

// Nothing: not yet.
std::optional<Start> Pacing::take() {
  if (!begun_) return std::nullopt;
  const std::int64_t now = monotonic_us();
  if (!schedule_) return Start{now < pace_.window.end_us, now};
  // What was planned within the window still starts after it, so that a server that fell behind
  // is not spared the slowest requests.
  for (; now >= pace_.give_up_us && schedule_->next_us() < pace_.window.end_us; schedule_->take())
    unsent_ += pace_.window.has(schedule_->next_us()) ? 1 : 0;
  const std::int64_t planned = schedule_->next_us();
  if (planned >= pace_.window.end_us) return Start{false, now};
  if (planned > now) return std::nullopt;
  schedule_->take();
  if (pace_.window.has(planned)) late_.add(now - planned);
  return Start{true, planned};
}

void Pacing::wait(Awaiter& awaiter) {
  const bool was_empty = waiting_.empty();
  waiting_.push_back(awaiter);
  // hand_out() sets it once, at its end.
  if (was_empty && !handing_out_) set_alarm();
}

void Pacing::set_alarm() {
  if (schedule_) alarm_.set(std::min(schedule_->next_us(), pace_.window.end_us));
}

// Wakes those who wait, the one that waits longest first, for as long as something is due.
void Pacing::hand_out() {
  handing_out_ = true;
  while (!waiting_.empty()) {
    const auto start = take();
    if (!start) break;
    Awaiter& first = waiting_.front();
    first.unlink();
    first.start_ = start;
    first.handle_.resume();
  }
  handing_out_ = false;
  if (!waiting_.empty()) set_alarm();
}

}  // namespace mcplb::bench
