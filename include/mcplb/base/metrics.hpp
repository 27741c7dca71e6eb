// Counters that worker threads add to and the admin API reads. Relaxed atomics: a reader sees
// every increment eventually, and no order between two counters is promised.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace mcplb {

class Counter {
 public:
  void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// A counter that one thread adds to: no locked instruction.
class OwnCounter {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void add(std::int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// The bounds whose hits are counted, by the name that the metric's label shows.
enum class Limit : std::uint8_t {
  head_bytes,
  headers,
  request_bytes,
  client_connections,
  batch_elements,
  log_lines,
  sessions,
  tombstones,
  orphan_initializes,
  idle_connections,
  redis_commands,
  store_removals,
  farewells,
  asks,
  asks_rate,
  asked_backends,
  ask_reply_bytes,
  check_reply_bytes,
  dns_queries,
  dns_records,
  registered_nodes,
  backends_known,
  session_openings,
  session_journal,
  session_moves,
  metric_series,
  admin_event_streams,
  timeline_events,
  count_
};
const char* to_string(Limit limit);

// Process-wide, because a limit may be hit on any thread and any floor.
void count_limit_hit(Limit limit);
std::uint64_t limit_hits(Limit limit);

}  // namespace mcplb
