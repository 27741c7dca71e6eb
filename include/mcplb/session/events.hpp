// What becomes of the sessions of one pool, counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mcplb/base/metrics.hpp"

namespace mcplb::session {

enum class Event : std::uint8_t {
  created,  // opened through this balancer
  deleted,  // by its client; of the 2024-11-05 transport: its stream has ended
  expired,
  moved,    // by this balancer, to another backend
  adopted,  // another balancer had moved it
  lost,     // its client has to initialize again
  unknown,  // a request named one that nobody knows, or no longer
  asked,    // the backends were asked whose it is
  move_forbidden,  // the new backend wanted other credentials; it is kept
  move_failed,     // for want of a backend, or of an answer; it is kept
  count_
};
std::string_view to_string(Event event);

// Owned by the pool. Thread-safe.
class EventCounts {
 public:
  void add(Event event, std::uint64_t amount = 1) { counts_[index(event)].add(amount); }
  std::uint64_t value(Event event) const { return counts_[index(event)].value(); }

 private:
  static std::size_t index(Event event) { return static_cast<std::size_t>(event); }
  std::array<Counter, static_cast<std::size_t>(Event::count_)> counts_;
};

}  // namespace mcplb::session
