// Values by key that one thread counts into and any thread reads: the series of a metric.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <unordered_map>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb {

// `Value` is read while it is written: made of atomics. Its counting thread waits for a reader only
// when it meets a key for the first time.
template <class Value>
class Series {
 public:
  // What is counted in place of keys that came when there were `size_max` already.
  static constexpr std::uint64_t others = UINT64_MAX;

  // Says which keys may be dropped when it is full; asked for all of them, but once a second.
  using IsStale = std::function<bool(std::uint64_t key, TimePoint now)>;
  explicit Series(std::size_t size_max, IsStale is_stale = {})
      : size_max_(size_max),
        is_stale_(std::move(is_stale)) {}
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;

  // By the counting thread. Good until the next call, or for good when no key is ever stale.
  Value& at(std::uint64_t key) {
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) return found->second->value;
    if (by_key_.size() >= size_max_ && key != others && !may_make_room()) {
      count_limit_hit(Limit::metric_series);
      return at(others);
    }
    return add(key);
  }

  // Calls `visit(key, value)` for each; at() must not be called from there.
  template <class Visit>
  void each(Visit visit) const {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) visit(entry.key, entry.value);
  }

 private:
  struct Entry {
    explicit Entry(std::uint64_t its_key) : key(its_key) {}
    std::uint64_t key;
    Value value;
  };
  struct HashKey {
    std::size_t operator()(std::uint64_t key) const { return key * 0x9e3779b97f4a7c15ULL >> 20; }
  };

  Value& add(std::uint64_t key) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_.emplace_back(key);
    by_key_.emplace(key, &entry);
    return entry.value;
  }
  // Drops what is stale. False: it is as full as before.
  bool may_make_room() {
    const TimePoint now = monotonic_ms();
    if (!is_stale_ || now < look_again_at_) return false;
    look_again_at_ = now + 1000;
    const std::size_t before = by_key_.size();
    const std::lock_guard lock(mutex_);
    entries_.remove_if([this, now](const Entry& entry) {
      const bool stale = entry.key != others && is_stale_(entry.key, now);
      if (stale) by_key_.erase(entry.key);
      return stale;
    });
    return by_key_.size() < before;
  }

  const std::size_t size_max_;
  const IsStale is_stale_;
  // These two are the counting thread's.
  std::unordered_map<std::uint64_t, Entry*, HashKey> by_key_;
  TimePoint look_again_at_ = 0;
  mutable std::mutex mutex_;  // guards the list, not the values
  std::list<Entry> entries_;
};

}  // namespace mcplb
