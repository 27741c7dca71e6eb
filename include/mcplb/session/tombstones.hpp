// Sealed sessions that ended here: their ids still verify, and must not come back to life.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>
#include <unordered_set>

#include "mcplb/base/clock.hpp"

namespace mcplb::session {

// One for a pool, for all workers. Thread-safe. Asked only about ids that no directory knows.
class Tombstones {
 public:
  // Each stands for `lifetime`.
  explicit Tombstones(milliseconds lifetime) : lifetime_(lifetime) {}

  // Of those that are added from now on.
  void set_lifetime(milliseconds lifetime);
  void add(std::string_view id, TimePoint now);
  bool contains(std::string_view id, TimePoint now);

 private:
  struct Stone {
    std::uint64_t id;  // a hash: who cannot make a seal cannot look for one that collides
    TimePoint until;
  };
  // For holders of the lock. Some at a time: what is left lives a little longer.
  void drop_oldest();
  void drop_expired(TimePoint now);

  std::mutex mutex_;  // guards what follows
  milliseconds lifetime_;
  std::deque<Stone> by_age_;  // the oldest ends first, unless the lifetime was changed meanwhile
  std::unordered_set<std::uint64_t> ids_;
};

}  // namespace mcplb::session
