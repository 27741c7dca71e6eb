#include "mcplb/net/timers.hpp"

#include <algorithm>

namespace mcplb::net {

Timers::Timers(Clock& clock) : clock_(clock), done_tick_(clock.now() / tick_ms) {}

void Timers::arm(Timer& timer, Deadline deadline) {
  timer.disarm();
  if (deadline.is_never()) return;
  // Rounded up: a timer never fires before its deadline.
  const TimePoint tick = std::max((deadline.when() + tick_ms - 1) / tick_ms, done_tick_ + 1);
  timer.when_ = deadline.when();
  wheel_[static_cast<std::size_t>(tick) % slots].push_back(timer);
  if (tick < alarm_tick_) {
    alarm_tick_ = tick;
    clock_.wake_at(tick * tick_ms);
  }
}

void Timers::advance() {
  const TimePoint now = clock_.now();
  const TimePoint tick = now / tick_ms;
  IntrusiveList<Timer> due;
  // One turn of the wheel sees every slot, however long the loop was away.
  const TimePoint first = std::max(done_tick_ + 1, tick - static_cast<TimePoint>(slots) + 1);
  for (TimePoint at = first; at <= tick; ++at) {
    wheel_[static_cast<std::size_t>(at) % slots].for_each([&](Timer& timer) {
      if (timer.when_ > now) return;
      timer.disarm();
      due.push_back(timer);
    });
  }
  done_tick_ = std::max(done_tick_, tick);
  alarm_tick_ = no_alarm;
  while (!due.empty()) {
    Timer& timer = due.front();
    timer.disarm();
    timer.on_timer();
  }
  set_next_alarm(done_tick_);
}

void Timers::set_next_alarm(TimePoint tick) {
  for (TimePoint at = tick + 1; at <= tick + static_cast<TimePoint>(slots); ++at) {
    if (wheel_[static_cast<std::size_t>(at) % slots].empty()) continue;
    if (at < alarm_tick_) {
      alarm_tick_ = at;
      clock_.wake_at(at * tick_ms);
    }
    return;
  }
}

}  // namespace mcplb::net
