#include "mcplb/session/tombstones.hpp"

#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::session {

void Tombstones::set_lifetime(milliseconds lifetime) {
  const std::lock_guard lock(mutex_);
  lifetime_ = lifetime;
}

void Tombstones::add(std::string_view id, TimePoint now) {
  const std::uint64_t hash = hash64(id);
  const std::lock_guard lock(mutex_);
  drop_expired(now);
  if (!ids_.insert(hash).second) return;
  if (by_age_.size() >= limits::tombstones_max) {
    count_limit_hit(Limit::tombstones);
    drop_oldest();
  }
  by_age_.push_back({hash, now + lifetime_.count()});
}

bool Tombstones::contains(std::string_view id, TimePoint now) {
  const std::uint64_t hash = hash64(id);
  const std::lock_guard lock(mutex_);
  drop_expired(now);
  return ids_.contains(hash);
}

void Tombstones::drop_oldest() {
  ids_.erase(by_age_.front().id);
  by_age_.pop_front();
}

void Tombstones::drop_expired(TimePoint now) {
  constexpr int dropped_max = 64;
  for (int i = 0; i < dropped_max && !by_age_.empty(); ++i) {
    if (by_age_.front().until > now) return;
    drop_oldest();
  }
}

}  // namespace mcplb::session
