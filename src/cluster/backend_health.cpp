#include "mcplb/cluster/backend_health.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"

namespace mcplb::cluster {

void Warmth::begin(TimePoint from, milliseconds length) {
  if (length.count() <= 0) {
    tenths_.store(full, std::memory_order_relaxed);
    return;
  }
  from_.store(from, std::memory_order_relaxed);
  length_ms_.store(length.count(), std::memory_order_relaxed);
  tenths_.store(1, std::memory_order_relaxed);
}

// Several threads may step at once, and one may begin anew meanwhile: whoever comes last is off by
// a step at most, and the next call corrects it, unless a start is lost in the moment when the one
// before it ends.
void Warmth::grow(TimePoint now) {
  const std::int64_t length = std::max<std::int64_t>(length_ms_.load(std::memory_order_relaxed), 1);
  const TimePoint age = now - from_.load(std::memory_order_relaxed);
  const std::int64_t steps = age <= 0 ? 0 : std::min<std::int64_t>(age, length) * 9 / length;
  const auto tenths = static_cast<std::uint32_t>(1 + steps);
  if (tenths != this->tenths()) tenths_.store(tenths, std::memory_order_relaxed);
}

HealthRecord BackendHealth::record() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

void BackendHealth::note_check(bool good, std::string text, TimePoint now) {
  (good ? checks_good : checks_bad).add();
  if (text.size() > limits::check_text_bytes_max) text.resize(limits::check_text_bytes_max);
  const std::lock_guard lock(mutex_);
  record_.checked_at = now;
  record_.check_good = good;
  record_.check_text = std::move(text);
}

void BackendHealth::note_turn(bool up, TimePoint now) {
  const std::lock_guard lock(mutex_);
  (up ? record_.up_since : record_.down_since) = now;
}

}  // namespace mcplb::cluster
