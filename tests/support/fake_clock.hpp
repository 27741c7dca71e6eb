// Time that passes when a test says so. Drives its own timer wheel.
#pragma once

#include <algorithm>

#include "mcplb/net/timers.hpp"

namespace mcplb::test {

class FakeClock final : public net::Clock {
 public:
  explicit FakeClock(TimePoint start = 1'000'000) : now_(start), timers_(*this) {}

  TimePoint now() const override { return now_; }
  std::int64_t turn_us() const override { return now_ * 1000; }
  net::Timers& timers() { return timers_; }
  Deadline in(milliseconds wait) const { return Deadline::after(now_, wait); }

  // Fires every timer that becomes due on the way, each at its own time.
  void advance(milliseconds by) {
    const TimePoint target = now_ + by.count();
    while (wake_ <= target) {
      now_ = std::max(now_, wake_);
      wake_ = never;
      timers_.advance();
    }
    now_ = target;
  }
  // Time passes unseen, as while a loop is stuck; the timers notice with the next advance().
  void jump(milliseconds by) { now_ += by.count(); }
  TimePoint next_wake() const { return wake_; }
  static constexpr TimePoint never = Deadline::never().when();

 private:
  void wake_at(TimePoint when) override { wake_ = when; }

  TimePoint now_;
  TimePoint wake_ = never;
  net::Timers timers_;
};

}  // namespace mcplb::test
