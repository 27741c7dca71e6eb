// Durations by size, as metrics show them: how many were at most so long.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "mcplb/base/metrics.hpp"

namespace mcplb {

// What a histogram has counted at one moment. Values: may be added up and subtracted.
template <std::size_t N>
struct HistogramCounts {
  std::array<std::uint64_t, N + 1> in_bucket{};  // the last one: longer than every bound
  std::uint64_t sum_us = 0;

  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t one : in_bucket) sum += one;
    return sum;
  }
  HistogramCounts& operator+=(const HistogramCounts& other) {
    for (std::size_t i = 0; i <= N; ++i) in_bucket[i] += other.in_bucket[i];
    sum_us += other.sum_us;
    return *this;
  }
  // What came since `earlier`. One that has shrunk meanwhile (a series was dropped) began anew.
  HistogramCounts since(const HistogramCounts& earlier) const {
    HistogramCounts left;
    for (std::size_t i = 0; i <= N; ++i) {
      const bool grew = in_bucket[i] >= earlier.in_bucket[i];
      left.in_bucket[i] = in_bucket[i] - (grew ? earlier.in_bucket[i] : 0);
    }
    left.sum_us = sum_us - (sum_us >= earlier.sum_us ? earlier.sum_us : 0);
    return left;
  }
};

// `Bounds` are microseconds, rising; a duration equal to a bound is within it, as in Prometheus.
// `Cell` is Counter, or OwnCounter where one thread does all the counting.
template <const auto& Bounds, class Cell>
class Histogram {
 public:
  static constexpr std::size_t size = std::size(Bounds);
  static constexpr const auto& bounds_us = Bounds;
  using Counts = HistogramCounts<size>;

  void observe(std::int64_t us) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0));
    std::size_t bucket = 0;
    while (bucket < size && value > Bounds[bucket]) ++bucket;
    in_bucket_[bucket].add();
    sum_us_.add(value);
  }
  Counts counts() const {
    Counts seen;
    for (std::size_t i = 0; i <= size; ++i) seen.in_bucket[i] = in_bucket_[i].value();
    seen.sum_us = sum_us_.value();
    return seen;
  }

 private:
  std::array<Cell, size + 1> in_bucket_{};
  Cell sum_us_;
};

// The duration in microseconds that a share of them (0.99) did not exceed: an estimate, as if
// those of one bucket were spread evenly over it. The last bound for what is longer.
template <std::size_t N, class Bounds>
std::optional<double> quantile_us(const HistogramCounts<N>& counts, const Bounds& bounds,
                                  double share) {
  const std::uint64_t count = counts.count();
  if (count == 0) return std::nullopt;
  const double rank = share * static_cast<double>(count);
  double below = 0;
  for (std::size_t i = 0; i < N; ++i) {
    const auto here = static_cast<double>(counts.in_bucket[i]);
    if (here > 0 && below + here >= rank) {
      const double from = i == 0 ? 0 : static_cast<double>(bounds[i - 1]);
      const double to = static_cast<double>(bounds[i]);
      return from + (to - from) * std::max(0.0, rank - below) / here;
    }
    below += here;
  }
  return static_cast<double>(bounds[N - 1]);
}

}  // namespace mcplb
