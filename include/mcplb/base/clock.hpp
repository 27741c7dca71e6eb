// Time as the loops see it: monotonic milliseconds, cached once per loop turn.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

namespace mcplb {

using std::chrono::milliseconds;

// A point of monotonic time in milliseconds. The zero point is the system's and means nothing.
using TimePoint = std::int64_t;

// When to give up. A value, handed to every call that waits; never defaulted.
class Deadline {
 public:
  static constexpr Deadline at(TimePoint when) { return Deadline(when); }
  static constexpr Deadline after(TimePoint now, milliseconds wait) {
    return Deadline(now + wait.count());
  }
  // For waits that something else bounds: an idle pooled connection, the acceptor.
  static constexpr Deadline never() { return Deadline(std::numeric_limits<TimePoint>::max()); }

  constexpr TimePoint when() const { return when_; }
  constexpr bool is_never() const { return when_ == std::numeric_limits<TimePoint>::max(); }
  constexpr bool passed(TimePoint now) const { return when_ <= now; }
  friend constexpr Deadline earlier(Deadline a, Deadline b) { return a.when_ < b.when_ ? a : b; }

 private:
  explicit constexpr Deadline(TimePoint when) : when_(when) {}
  TimePoint when_;
};

// Monotonic microseconds, read from the system; for phase times in logs and metrics.
std::int64_t monotonic_us();
// The time of day in UTC as ISO 8601 with milliseconds: 2026-07-28T12:00:00.000Z.
void append_utc_time(std::string& out);
// Monotonic milliseconds as of the kernel's last tick, up to ten late, for code without a loop:
// the counter that tells them exactly is slow to read in virtual machines.
TimePoint monotonic_ms();
// Nanoseconds since 1970, read from the system; for what other machines compare.
std::int64_t unix_ns();

}  // namespace mcplb
