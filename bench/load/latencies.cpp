#include "load/latencies.hpp"

#include <algorithm>
#include <cmath>

namespace mcplb::bench {

// Values below `steps` have a bucket each; above, each doubling has `steps` of them.
std::size_t Latencies::bucket_of(std::uint64_t value) {
  if (value < steps) return static_cast<std::size_t>(value);
  const unsigned doubling = static_cast<unsigned>(std::bit_width(value)) - 1 - precision_bits;
  return static_cast<std::size_t>(doubling * steps + (value >> doubling));
}

std::uint64_t Latencies::last_of(std::size_t bucket) {
  if (bucket < 2 * steps) return bucket;
  const auto doubling = static_cast<unsigned>(bucket / steps - 1);
  const std::uint64_t step = bucket - doubling * steps;
  return ((step + 1) << doubling) - 1;
}

void Latencies::add(std::int64_t us) {
  const std::uint64_t value =
      std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0)), value_max);
  const std::size_t bucket = bucket_of(value);
  if (bucket >= in_bucket_.size()) in_bucket_.resize(bucket + 1);
  ++in_bucket_[bucket];
  ++count_;
  sum_ += static_cast<double>(value);
  max_ = std::max(max_, value);
}

void Latencies::merge(const Latencies& other) {
  if (other.in_bucket_.size() > in_bucket_.size()) in_bucket_.resize(other.in_bucket_.size());
  for (std::size_t i = 0; i < other.in_bucket_.size(); ++i)
    in_bucket_[i] += other.in_bucket_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t Latencies::quantile(double share) const {
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < in_bucket_.size(); ++i) {
    seen += in_bucket_[i];
    if (seen >= rank && seen > 0) return std::min(last_of(i), max_);
  }
  return max_;
}

}  // namespace mcplb::bench
