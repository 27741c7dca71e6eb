// When each connection may start its next unit of work. Closed loop: at once. Open loop: when the
// schedule says so; what is late is taken at once by whoever is free, and its latency counts from
// the time that was planned. One per thread.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>

#include "mcplb/base/intrusive_list.hpp"
#include "mcplb/net/loop.hpp"

#include "load/alarm.hpp"
#include "load/schedule.hpp"
#include "load/tally.hpp"

namespace mcplb::bench {

struct Start {
  bool go = false;         // false: there is nothing more to do
  std::int64_t at_us = 0;  // from when the latency counts
};

// When a run may start work. In monotonic microseconds.
struct Pace {
  Window window;                         // no work is planned behind it
  std::optional<Schedule::Terms> terms;  // of the open loop; none: closed
  std::int64_t start_us = 0;             // open: the schedule begins
  std::int64_t give_up_us = 0;           // open: what was planned and has not started never will
};

class Pacing {
 public:
  // `late` outlives it.
  Pacing(net::Loop& loop, Latencies& late) : late_(late), alarm_(loop, [this] { hand_out(); }) {}
  Pacing(const Pacing&) = delete;
  Pacing& operator=(const Pacing&) = delete;

  // Until then everybody waits.
  void begin(const Pace& pace);

  class Awaiter;
  Awaiter next();
  // Arrivals within the window that nobody took; final once everybody has been told to end.
  std::uint64_t unsent() const { return unsent_; }

 private:
  std::optional<Start> take();
  void wait(Awaiter& awaiter);
  void set_alarm();
  void hand_out();

  Latencies& late_;
  IntrusiveList<Awaiter> waiting_;
  std::optional<Schedule> schedule_;
  Pace pace_;
  bool begun_ = false;
  bool handing_out_ = false;
  std::uint64_t unsent_ = 0;
  Alarm alarm_;
};

class Pacing::Awaiter final : public ListNode {
 public:
  explicit Awaiter(Pacing& pacing) : pacing_(pacing) {}
  bool await_ready() {
    start_ = pacing_.take();
    return start_.has_value();
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    handle_ = waiting;
    pacing_.wait(*this);
  }
  Start await_resume() const { return *start_; }

 private:
  friend class Pacing;
  Pacing& pacing_;
  std::optional<Start> start_;
  std::coroutine_handle<> handle_;
};

inline Pacing::Awaiter Pacing::next() { return Awaiter(*this); }

}  // namespace mcplb::bench
