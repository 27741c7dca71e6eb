// A clock of microseconds on a loop: the timers of net are up to 16 ms late, which is more than
// most latencies that are measured. Used on its loop only.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "mcplb/net/loop.hpp"

namespace mcplb::bench {

class Alarm {
 public:
  // `on_ring` may set the alarm again; it does not destroy it.
  Alarm(net::Loop& loop, std::function<void()> on_ring);
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // In monotonic microseconds; at once when that has passed. Replaces what was set before.
  void set(std::int64_t when_us);

 private:
  struct Handle;
  struct Closer {
    void operator()(Handle* handle) const;
  };
  std::unique_ptr<Handle, Closer> handle_;
};

// Lets one flow wait for times.
class Sleeper {
 public:
  explicit Sleeper(net::Loop& loop)
      : alarm_(loop, [this] {
          if (waiting_) std::exchange(waiting_, nullptr).resume();
        }) {}

  class Awaiter {
   public:
    Awaiter(Sleeper& sleeper, std::int64_t when_us) : sleeper_(sleeper), when_us_(when_us) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) {
      sleeper_.waiting_ = waiting;
      sleeper_.alarm_.set(when_us_);
    }
    void await_resume() const {}

   private:
    Sleeper& sleeper_;
    std::int64_t when_us_;
  };
  Awaiter until(std::int64_t when_us) { return {*this, when_us}; }

 private:
  std::coroutine_handle<> waiting_;
  Alarm alarm_;
};

}  // namespace mcplb::bench
