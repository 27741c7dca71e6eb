// When the requests of an open loop are due, whatever becomes of those before them. No I/O.
#pragma once

#include <cstdint>

namespace mcplb::bench {

// Repeatable random numbers (splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  // In (0, 1].
  double fraction();

 private:
  std::uint64_t state_;
};

class Schedule {
 public:
  struct Terms {
    double rate = 0;  // a second
    bool poisson = true;
    std::uint64_t seed = 1;
    double offset = 0;  // of the first arrival, in gaps: keeps several threads apart
  };
  // The first arrival is not before `begin_us`.
  Schedule(const Terms& terms, std::int64_t begin_us);

  // The arrival that has not been taken yet.
  std::int64_t next_us() const { return begin_us_ + static_cast<std::int64_t>(offset_us_); }
  void take() { offset_us_ += gap_us(); }

 private:
  double gap_us();

  const std::int64_t begin_us_;
  const double mean_gap_us_;
  const bool poisson_;
  Random random_;
  double offset_us_ = 0;  // as a fraction too, so that rounding does not add up
};

}  // namespace mcplb::bench
