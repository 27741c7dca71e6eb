// Durations in microseconds, counted in buckets that are at most 1/128 wide of their value: any
// number of them in fixed memory. Values: may be added up.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace mcplb::bench {

class Latencies {
 public:
  void add(std::int64_t us);
  void merge(const Latencies& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The least value that `share` of them (0.99) do not exceed, up to the width of its bucket; 0
  // when there are none.
  std::uint64_t quantile(double share) const;

 private:
  static constexpr unsigned precision_bits = 7;
  static constexpr std::uint64_t steps = 1U << precision_bits;  // per doubling
  static constexpr std::uint64_t value_max = (std::uint64_t{1} << 40U) - 1;

  static std::size_t bucket_of(std::uint64_t value);
  static std::uint64_t last_of(std::size_t bucket);

  std::vector<std::uint64_t> in_bucket_;  // as many as the largest value needs
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace mcplb::bench
