#include "mcplb/cluster/backend.hpp"

#include <algorithm>

#include "mcplb/base/metrics.hpp"

namespace mcplb::cluster {
namespace {

// A hint beyond a day says nothing more, and the arithmetic stays far from overflow.
constexpr std::uint64_t hint_seconds_max = 24 * 60 * 60;
// How long it takes until a lesson about idle connections counts half.
constexpr TimePoint lesson_doubles_every = 10'000;
constexpr TimePoint lesson_doublings_max = 20;

// What a lesson of `learned` milliseconds has grown to after `age`.
std::int64_t faded(std::int64_t learned, TimePoint age) {
  const TimePoint doublings =
      std::clamp<TimePoint>(age / lesson_doubles_every, 0, lesson_doublings_max);
  return learned << doublings;
}

}  // namespace

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::active: return "active";
    case Mode::draining: return "draining";
    case Mode::disabled: return "disabled";
  }
  return "";
}

std::string Backend::authority() const {
  const std::string& name = tls_name();
  std::string host = name.find(':') == std::string::npos ? name : "[" + name + "]";
  const std::uint16_t implied = https() ? 443 : 80;
  if (port() != implied) host += ":" + std::to_string(port());
  return host;
}

bool Backend::is_same(const BackendSettings& settings) const {
  // A name that only a certificate would care about is none without one.
  const bool same_name = !settings.https || settings_.tls_name == settings.tls_name;
  return settings_.id == settings.id && settings_.host == settings.host &&
         settings_.port == settings.port && settings_.https == settings.https &&
         settings_.tls == settings.tls && same_name;
}

milliseconds Backend::idle_horizon(milliseconds setting, TimePoint now) const {
  std::int64_t horizon = setting.count();
  const std::int64_t hint = hint_ms_.load(std::memory_order_relaxed);
  if (hint > 0) horizon = std::min(horizon, hint);
  const std::int64_t learned = learned_ms_.load(std::memory_order_relaxed);
  if (learned > 0) {
    const TimePoint age = now - learned_at_.load(std::memory_order_relaxed);
    horizon = std::min(horizon, faded(learned, age));
  }
  return milliseconds(horizon);
}

void Backend::note_keep_alive_hint(std::uint64_t seconds) {
  const auto bounded = static_cast<std::int64_t>(std::min(seconds, hint_seconds_max));
  // A second before its clock runs out; for very short times half of it. 0 would mean "no hint".
  const std::int64_t hint = std::max({bounded * 1000 - 1000, bounded * 500, std::int64_t{1}});
  // Most replies repeat the same hint: a plain load keeps the cache line shared.
  if (hint_ms_.load(std::memory_order_relaxed) != hint) {
    hint_ms_.store(hint, std::memory_order_relaxed);
  }
}

void Backend::note_idle_close(milliseconds idled, TimePoint now) {
  const std::int64_t lesson = std::max<std::int64_t>(idled.count() * 4 / 5, 1);
  const std::int64_t learned = learned_ms_.load(std::memory_order_relaxed);
  const TimePoint age = now - learned_at_.load(std::memory_order_relaxed);
  if (learned > 0 && faded(learned, age) <= lesson) return;
  // Two threads may learn at once. Either lesson is right, and the next close corrects a mix.
  learned_at_.store(now, std::memory_order_relaxed);
  learned_ms_.store(lesson, std::memory_order_relaxed);
}

Backend* Registry::add(std::string_view pool, const BackendSettings& settings) {
  const std::lock_guard lock(mutex_);
  for (const auto& known : owned_) {
    if (known->pool() != pool || !known->is_same(settings)) continue;
    known->set_weight(settings.weight);
    return known.get();
  }
  if (owned_.size() >= limits::backends_known_max) {
    count_limit_hit(Limit::backends_known);
    return nullptr;
  }
  const std::size_t id = owned_.size() + 1;
  owned_.push_back(std::make_unique<Backend>(static_cast<BackendId>(id), pool, settings));
  Backend* const added = owned_.back().get();
  by_id_[id].store(added, std::memory_order_release);
  return added;
}

Backend* Registry::find(BackendId id) const {
  const auto index = static_cast<std::size_t>(id);
  if (index >= by_id_.size()) return nullptr;
  return by_id_[index].load(std::memory_order_acquire);
}

}  // namespace mcplb::cluster
