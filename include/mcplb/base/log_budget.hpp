// How often one kind of line may be logged: what strangers can cause must not fill the disk.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "mcplb/base/clock.hpp"

namespace mcplb {

// Shared by all threads.
class LogBudget {
 public:
  explicit LogBudget(int lines_per_second) : lines_per_second_(lines_per_second) {}

  // Nothing: leave this line out. Else how many were left out since the last one.
  std::optional<std::uint64_t> grant(TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (now - second_began_ >= 1000) {
      second_began_ = now;
      granted_ = 0;
    }
    if (granted_ >= lines_per_second_) {
      ++left_out_;
      return std::nullopt;
    }
    ++granted_;
    return std::exchange(left_out_, 0);
  }

 private:
  const int lines_per_second_;
  std::mutex mutex_;  // guards what follows
  TimePoint second_began_ = -1000;
  int granted_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace mcplb
