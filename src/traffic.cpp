#include "traffic.hpp"

#include <algorithm>
#include <optional>

namespace mcplb {
namespace {

// What "now" means: the time over which rates and latencies are told.
constexpr std::int64_t recent_ms = 10'000;
constexpr std::int64_t step_ms = 5'000;
constexpr std::size_t steps_kept = 60;

double per_second(std::uint64_t count, std::int64_t ms) {
  return ms <= 0 ? 0 : static_cast<double>(count) * 1000 / static_cast<double>(ms);
}

template <class Counts, class Bounds>
std::optional<admin::Quantiles> quantiles(const Counts& counts, const Bounds& bounds) {
  const auto p50 = quantile_us(counts, bounds, 0.5);
  const auto p99 = quantile_us(counts, bounds, 0.99);
  if (!p50 || !p99) return std::nullopt;
  return admin::Quantiles{*p50 / 1000, *p99 / 1000};
}

std::optional<admin::Quantiles> latency_of(const TrafficCounts& counts) {
  return quantiles(counts.durations, proxy::duration_bounds_us);
}

}  // namespace

TrafficCounts& TrafficCounts::operator+=(const proxy::Traffic& traffic) {
  requests += traffic.requests.value();
  errors += traffic.errors.value();
  durations += traffic.durations.counts();
  overheads += traffic.overheads.counts();
  return *this;
}

TrafficCounts& TrafficCounts::operator+=(const TrafficCounts& other) {
  requests += other.requests;
  errors += other.errors;
  durations += other.durations;
  overheads += other.overheads;
  return *this;
}

TrafficCounts TrafficCounts::since(const TrafficCounts& earlier) const {
  TrafficCounts left;
  left.requests = requests - std::min(requests, earlier.requests);
  left.errors = errors - std::min(errors, earlier.errors);
  left.durations = durations.since(earlier.durations);
  left.overheads = overheads.since(earlier.overheads);
  return left;
}

void TrafficTrack::sample(const TrafficCounts& counts, TimePoint now) {
  if (recent_.empty()) step_began_ = {counts, now};
  recent_.push_back({counts, now});
  // One that is older stays: rates are told from it on.
  while (recent_.size() > 2 && now - recent_[1].at >= recent_ms) recent_.pop_front();
  if (now - step_began_.at < step_ms) return;
  const TrafficCounts step = counts.since(step_began_.counts);
  const std::int64_t length = now - step_began_.at;
  history_.push_back({per_second(step.requests, length), per_second(step.errors, length),
                      latency_of(step)});
  if (history_.size() > steps_kept) history_.pop_front();
  step_began_ = {counts, now};
}

admin::TrafficView TrafficTrack::view() const {
  admin::TrafficView view;
  view.step_seconds = step_ms / 1000;
  view.history.assign(history_.begin(), history_.end());
  if (recent_.empty()) return view;
  const Sample& last = recent_.back();
  view.requests = last.counts.requests;
  view.errors = last.counts.errors;
  const TrafficCounts recent = last.counts.since(recent_.front().counts);
  const std::int64_t length = last.at - recent_.front().at;
  view.requests_per_second = per_second(recent.requests, length);
  view.errors_per_second = per_second(recent.errors, length);
  view.latency = latency_of(recent);
  view.overhead = quantiles(recent.overheads, proxy::overhead_bounds_us);
  return view;
}

void TrafficHistory::sample(const std::vector<const proxy::WorkerMetrics*>& workers,
                            const std::vector<BackendId>& members, TimePoint now) {
  TrafficCounts of_process;
  std::map<std::size_t, TrafficCounts> of_pools;
  std::map<BackendId, TrafficCounts> of_backends;
  for (const BackendId member : members) of_backends[member];
  for (const proxy::WorkerMetrics* worker : workers) {
    of_process += worker->no_pool;
    worker->pools.each([&](std::uint64_t pool, const proxy::PoolMetrics& metrics) {
      of_pools[pool] += metrics.traffic;
    });
    worker->backends.each([&](std::uint64_t key, const proxy::Traffic& traffic) {
      const auto found = of_backends.find(proxy::RequestLabels::of(key).backend);
      if (found != of_backends.end()) found->second += traffic;
    });
  }
  for (const auto& [pool, counts] : of_pools) {
    of_process += counts;
    pools_[pool].sample(counts, now);
  }
  process_.sample(of_process, now);
  std::erase_if(backends_, [&](const auto& each) { return !of_backends.contains(each.first); });
  for (const auto& [backend, counts] : of_backends) backends_[backend].sample(counts, now);
}

admin::TrafficView TrafficHistory::pool(std::size_t pool) const {
  const auto found = pools_.find(pool);
  return found == pools_.end() ? TrafficTrack().view() : found->second.view();
}

admin::TrafficView TrafficHistory::backend(BackendId backend) const {
  const auto found = backends_.find(backend);
  return found == backends_.end() ? TrafficTrack().view() : found->second.view();
}

}  // namespace mcplb
