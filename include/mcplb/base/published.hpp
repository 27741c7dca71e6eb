// A value that one thread replaces now and then and many read all the time: settings, members of a
// pool. A reader asks with one atomic load whether its copy is still the newest.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace mcplb {

// Thread-safe. Outlives its readers.
template <class T>
class Published {
 public:
  explicit Published(T first) : value_(std::make_shared<const T>(std::move(first))) {}
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  void set(T next) {
    auto fresh = std::make_shared<const T>(std::move(next));
    const std::lock_guard lock(mutex_);
    value_.swap(fresh);
    version_.fetch_add(1, std::memory_order_release);
  }
  // What holds now; stays as it is for as long as it is kept.
  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;  // held to copy a pointer
  std::shared_ptr<const T> value_;
  std::atomic<std::uint64_t> version_{1};
};

// One thread's copy.
template <class T>
class Subscription {
 public:
  explicit Subscription(const Published<T>& source)
      : source_(source),
        version_(source.version()),
        value_(source.get()) {}

  // Takes over what was published since. True when that is something new: references into the old
  // value are then void.
  bool refresh() {
    const std::uint64_t newest = source_.version();
    if (newest == version_) return false;
    version_ = newest;
    value_ = source_.get();
    return true;
  }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }

 private:
  const Published<T>& source_;
  std::uint64_t version_;
  std::shared_ptr<const T> value_;
};

}  // namespace mcplb
