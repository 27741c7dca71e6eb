// Deadlines of one loop: a hashed wheel, so that arming and disarming cost no heap operation and
// no system call. Resolution limits: fires up to 16 ms late, never early. Used on its loop only.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/intrusive_list.hpp"

namespace mcplb::net {

// The time source and the wake-up of a wheel: the loop, or a manual one in tests.
class Clock {
 public:
  virtual ~Clock() = default;
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual TimePoint now() const = 0;
  // Monotonic microseconds (see monotonic_us()) when this turn of the loop began: when it learned
  // of what it is doing now. Costs nothing to ask.
  virtual std::int64_t turn_us() const = 0;
  // Calls Timers::advance() at that time or later; a later call replaces an earlier one.
  virtual void wake_at(TimePoint when) = 0;
};

// Something that waits until a deadline. Disarms itself when destroyed.
class Timer : private ListNode {
 public:
  virtual ~Timer() = default;
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void disarm() { unlink(); }
  bool armed() const { return linked(); }

 protected:
  // May destroy the timer; nothing touches it afterwards.
  virtual void on_timer() = 0;

 private:
  friend class Timers;
  friend class mcplb::IntrusiveList<Timer>;
  TimePoint when_ = 0;
};

class Timers {
 public:
  explicit Timers(Clock& clock);

  TimePoint now() const { return clock_.now(); }
  std::int64_t turn_us() const { return clock_.turn_us(); }
  Deadline in(milliseconds wait) const { return Deadline::after(now(), wait); }
  // Arms or re-arms. A deadline that has passed fires at the next advance(), not here.
  void arm(Timer& timer, Deadline deadline);
  // Fires what is due. Called by the clock's wake-up.
  void advance();

  class SleepAwaiter;
  // co_await timers.sleep(deadline);
  SleepAwaiter sleep(Deadline deadline);

 private:
  static constexpr TimePoint tick_ms = 16;
  static constexpr std::size_t slots = 1024;
  static constexpr TimePoint no_alarm = Deadline::never().when();

  void set_next_alarm(TimePoint tick);

  Clock& clock_;
  std::array<IntrusiveList<Timer>, slots> wheel_;
  TimePoint done_tick_;            // every slot up to this tick has been looked at
  TimePoint alarm_tick_ = no_alarm;
};

class Timers::SleepAwaiter final : private Timer {
 public:
  SleepAwaiter(Timers& timers, Deadline deadline) : timers_(timers), deadline_(deadline) {}
  bool await_ready() const { return deadline_.passed(timers_.now()); }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    timers_.arm(*this, deadline_);
  }
  void await_resume() const {}

 private:
  void on_timer() override { waiting_.resume(); }
  Timers& timers_;
  Deadline deadline_;
  std::coroutine_handle<> waiting_;
};

inline Timers::SleepAwaiter Timers::sleep(Deadline deadline) {
  return SleepAwaiter(*this, deadline);
}

}  // namespace mcplb::net
