// A wait whose end may be brought forward, by whoever knows of something more urgent.
#pragma once

#include <coroutine>
#include <utility>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/net/timers.hpp"

namespace mcplb::cluster {

// One flow waits at a time. It goes on from the timers, never from inside of bring_forward().
class Pause final : private net::Timer {
 public:
  explicit Pause(net::Timers& timers) : timers_(timers) {}

  class Awaiter;
  // co_await pause.until(deadline);
  Awaiter until(Deadline deadline);
  // Without a wait, or when it ends earlier anyway, this changes nothing.
  void bring_forward(Deadline deadline) {
    if (!waiting_ || until_.when() <= deadline.when()) return;
    until_ = deadline;
    timers_.arm(*this, until_);
  }

 private:
  void on_timer() override { std::exchange(waiting_, nullptr).resume(); }

  net::Timers& timers_;
  Deadline until_ = Deadline::never();
  std::coroutine_handle<> waiting_;
};

class Pause::Awaiter {
 public:
  Awaiter(Pause& pause, Deadline deadline) : pause_(pause), deadline_(deadline) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    MCPLB_ASSERT(!pause_.waiting_);
    pause_.waiting_ = waiting;
    pause_.until_ = deadline_;
    pause_.timers_.arm(pause_, deadline_);
  }
  void await_resume() const {}

 private:
  Pause& pause_;
  Deadline deadline_;
};

inline Pause::Awaiter Pause::until(Deadline deadline) {
  return {*this, deadline};
}

}  // namespace mcplb::cluster
