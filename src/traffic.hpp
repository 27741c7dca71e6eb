// Requests a second and latencies of the process, its pools and its backends, now and over the last
// minutes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "mcplb/admin/traffic.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/ids.hpp"
#include "mcplb/proxy/metrics.hpp"

namespace mcplb {

// All that was counted up to one moment.
struct TrafficCounts {
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
  proxy::DurationHistogram::Counts durations;
  proxy::OverheadHistogram::Counts overheads;

  TrafficCounts& operator+=(const proxy::Traffic& traffic);
  TrafficCounts& operator+=(const TrafficCounts& other);
  TrafficCounts since(const TrafficCounts& earlier) const;
};

// Of one thing that has traffic.
class TrafficTrack {
 public:
  // Once a second or so; `now` rises.
  void sample(const TrafficCounts& counts, TimePoint now);
  admin::TrafficView view() const;

 private:
  struct Sample {
    TrafficCounts counts;
    TimePoint at = 0;
  };
  std::deque<Sample> recent_;  // oldest first
  Sample step_began_;
  std::deque<admin::TrafficView::Point> history_;
};

// Owned by the server, used on the control loop only.
class TrafficHistory {
 public:
  // The metrics of all workers, and which backends are members now; both good during the call.
  void sample(const std::vector<const proxy::WorkerMetrics*>& workers,
              const std::vector<BackendId>& members, TimePoint now);
  admin::TrafficView process() const { return process_.view(); }
  // `pool` is its place in SharedState::pools.
  admin::TrafficView pool(std::size_t pool) const;
  admin::TrafficView backend(BackendId backend) const;

 private:
  TrafficTrack process_;
  std::map<std::size_t, TrafficTrack> pools_;
  std::map<BackendId, TrafficTrack> backends_;  // of members
};

}  // namespace mcplb
