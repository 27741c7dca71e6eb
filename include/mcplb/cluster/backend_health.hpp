// What health knows of one backend besides up or down: its last check, failed requests, and how
// warm it is. Part of a Backend, shared by all threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::cluster {

// For the admin API. Times are the loops'; 0: never.
struct HealthRecord {
  TimePoint up_since = 0;    // when it last came up; 0 while it has never been down
  TimePoint down_since = 0;  // when it last went down
  TimePoint checked_at = 0;
  bool check_good = false;
  std::string check_text;  // what the last check saw, for people
};

// Slow start: how much of its weight counts, in tenths. Balancers read it for every request, so it
// is stepped by whoever ranks and costs one load when nothing is in slow start.
class Warmth {
 public:
  static constexpr std::uint32_t full = 10;

  std::uint32_t tenths() const { return tenths_.load(std::memory_order_relaxed); }
  // Grows from a tenth at `from` (which may be later than now) to full after `length`. 0: at once.
  void begin(TimePoint from, milliseconds length);
  void refresh(TimePoint now) {
    if (tenths() != full) grow(now);
  }

 private:
  void grow(TimePoint now);

  std::atomic<std::uint32_t> tenths_{full};
  std::atomic<TimePoint> from_{0};
  std::atomic<std::int64_t> length_ms_{0};
};

class BackendHealth {
 public:
  Warmth warmth;
  // Checks by result, for metrics.
  Counter checks_good;
  Counter checks_bad;

  // Passive health; written by the pool's Ejector. True: no new work for it while others can.
  bool ejected(TimePoint now) const { return now < ejected_until_.load(std::memory_order_relaxed); }
  // Requests that failed in a row. Not 0 while it is ejected, nor after that until one succeeds.
  std::uint32_t failures() const { return failures_.load(std::memory_order_relaxed); }

  // It has forgotten a session at this time, so it was restarted: what was not heard of since then
  // is to be doubted. 0: never seen.
  TimePoint restarted_at() const { return restarted_at_.load(std::memory_order_relaxed); }

  // A session was opened there whose owner is gone. By any thread.
  void note_opened(TimePoint now) { opened_at_.store(now, std::memory_order_relaxed); }
  bool opened_since_bad_check() const {
    const TimePoint opened = opened_at_.load(std::memory_order_relaxed);
    return opened != 0 && opened >= bad_check_began_.load(std::memory_order_relaxed);
  }

  HealthRecord record() const;

  // By the control loop.
  void note_bad_check(TimePoint began) {
    bad_check_began_.store(began, std::memory_order_relaxed);
  }
  void note_check(bool good, std::string text, TimePoint now);
  void note_turn(bool up, TimePoint now);
  void note_restarted(TimePoint now) { restarted_at_.store(now, std::memory_order_relaxed); }

 private:
  friend class Ejector;

  std::atomic<std::uint32_t> failures_{0};
  std::atomic<TimePoint> ejected_until_{0};  // 0: not ejected, nor on probation after it
  std::atomic<TimePoint> restarted_at_{0};
  std::atomic<TimePoint> opened_at_{0};
  std::atomic<TimePoint> bad_check_began_{0};
  // Guarded by the Ejector's mutex.
  TimePoint ejected_at_ = 0;
  TimePoint last_until_ = 0;  // when the last ejection ended or would have
  std::int64_t times_in_a_row_ = 0;

  mutable std::mutex mutex_;  // guards the record
  HealthRecord record_;
};

}  // namespace mcplb::cluster
