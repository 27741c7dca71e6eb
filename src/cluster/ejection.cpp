#include "mcplb/cluster/ejection.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/cluster/pool.hpp"

namespace mcplb::cluster {
namespace {

std::uint32_t failures_max(const PassiveSettings& settings) {
  return static_cast<std::uint32_t>(std::max(settings.failures, 0));
}

// The share is rounded down, but two backends are enough to do without one of them.
std::size_t ejected_max(int percent, std::size_t members) {
  const std::size_t share = members * static_cast<std::size_t>(std::max(percent, 0)) / 100;
  return std::max<std::size_t>(share, percent > 0 && members >= 2 ? 1 : 0);
}

std::size_t count_ejected(const std::vector<Backend*>& members, TimePoint now) {
  return static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(),
                    [now](const Backend* member) { return member->health().ejected(now); }));
}

// 1, 2, 4, … times as long, up to the bound.
std::int64_t growth(std::int64_t times_in_a_row) {
  constexpr std::int64_t doublings_max = 32;
  const std::int64_t doublings = std::min(times_in_a_row - 1, doublings_max);
  return std::min(std::int64_t{1} << doublings, limits::ejection_growth_max);
}

}  // namespace

const char* to_string(Served served) {
  switch (served) {
    case Served::good:
      return "good";
    case Served::connect_failed:
      return "it could not be reached";
    case Served::broke_before_head:
      return "connections broke before the reply";
    case Served::bad_gateway:
      return "502, 503 or 504";
  }
  return "";
}

void Ejector::report(Backend& backend, Served served, const PoolView& view, TimePoint now) {
  BackendHealth& health = backend.health();
  if (served == Served::good) {
    const std::lock_guard lock(mutex_);
    health.failures_.store(0, std::memory_order_relaxed);
    readmit(backend, "a request succeeded", view.settings.health.slow_start, now);
    return;
  }
  const std::uint32_t max = failures_max(view.settings.health.passive);
  // Whoever is out is asked as a last resort, and its requests of before still fail.
  if (max == 0 || health.ejected(now)) return;
  const std::uint32_t failures = health.failures_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (failures < max) return;
  const std::lock_guard lock(mutex_);
  eject(backend, served, view, now);
}

// The count of failures stays as it is: after its time a backend is on probation, where the first
// failure ejects it again and the first success clears it.
void Ejector::eject(Backend& backend, Served served, const PoolView& view, TimePoint now) {
  BackendHealth& health = backend.health();
  const PassiveSettings& settings = view.settings.health.passive;
  // Another worker may have been faster, with the same news or with better.
  const std::uint32_t failures = health.failures();
  if (health.ejected(now) || failures < failures_max(settings)) return;
  const std::size_t most = ejected_max(settings.max_ejected, view.backends.size());
  if (count_ejected(view.backends, now) >= most) return;
  const std::int64_t forgotten_after = settings.eject_for.count() * limits::ejection_growth_max;
  if (now - health.last_until_ > forgotten_after) health.times_in_a_row_ = 0;
  ++health.times_in_a_row_;
  const std::int64_t length = settings.eject_for.count() * growth(health.times_in_a_row_);
  health.ejected_at_ = now;
  health.last_until_ = now + length;
  health.ejected_until_.store(health.last_until_, std::memory_order_relaxed);
  health.warmth.begin(health.last_until_, view.settings.health.slow_start);
  log::event(LogLevel::warn, "backend_ejected", "pool", backend.pool(), "backend", backend.name(),
             "reason", to_string(served), "failures", failures, "for_ms", length, "times_in_a_row",
             health.times_in_a_row_);
}

// The mutex is held. What was ejected again meanwhile is readmitted all the same: it did answer.
void Ejector::readmit(Backend& backend, const char* reason, milliseconds slow_start,
                      TimePoint now) {
  BackendHealth& health = backend.health();
  const bool was_out = health.ejected(now);
  if (health.ejected_until_.exchange(0, std::memory_order_relaxed) == 0) return;
  if (was_out) {
    health.last_until_ = now;
    health.warmth.begin(now, slow_start);
  }
  log::event(LogLevel::info, "backend_readmitted", "pool", backend.pool(), "backend",
             backend.name(), "reason", reason, "out_ms", health.last_until_ - health.ejected_at_);
}

void Ejector::note_good_check(Backend& backend, TimePoint began, const PoolView& view,
                              TimePoint now) {
  BackendHealth& health = backend.health();
  if (health.ejected_until_.load(std::memory_order_relaxed) == 0) return;
  const std::lock_guard lock(mutex_);
  // A check that was under way when it was ejected saw what was before.
  if (began <= health.ejected_at_) return;
  health.failures_.store(0, std::memory_order_relaxed);
  readmit(backend, "a check succeeded", view.settings.health.slow_start, now);
}

}  // namespace mcplb::cluster
