// Values by key that one thread counts into and any thread reads: the series of a metric.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <unordered_map>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb {

// `Value` is read while it is written: made of atomics. Its counting thread waits for a reader only
// when it meets a key for the first time.
template <class Value>
class Series {
 public:
  // What is counted in place of keys that came when there were `size_max` already.
  static constexpr std::uint64_t others = UINT64_MAX;

  // `is_stale` says which keys may be dropped when it is full.
  using IsStale = std::function<bool(std::uint64_t key)>;
  explicit Series(std::size_t size_max, IsStale is_stale = {})
      : size_max_(size_max),
        is_stale_(std::move(is_stale)) {}
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;

  // By the counting thread. Good until the next call.
  Value& at(std::uint64_t key) {
    const auto found = by_key_.find(key);
    return found != by_key_.end() ? found->second->value : add(key);
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
    if (entries_.size() >= size_max_ && key != others) {
      drop_stale();
      if (entries_.size() >= size_max_) {
        count_limit_hit(Limit::metric_series);
        key = others;
        const auto found = by_key_.find(key);
        if (found != by_key_.end()) return found->second->value;
      }
    }
    Entry& entry = entries_.emplace_back(key);
    by_key_.emplace(key, &entry);
    return entry.value;
  }
  void drop_stale() {
    if (!is_stale_) return;
    entries_.remove_if([this](const Entry& entry) {
      const bool stale = entry.key != others && is_stale_(entry.key);
      if (stale) by_key_.erase(entry.key);
      return stale;
    });
  }

  const std::size_t size_max_;
  const IsStale is_stale_;
  std::unordered_map<std::uint64_t, Entry*, HashKey> by_key_;  // of the counting thread
  mutable std::mutex mutex_;                                   // guards the list, not the values
  std::list<Entry> entries_;
};

}  // namespace mcplb
