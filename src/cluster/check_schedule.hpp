// When a backend is checked next. Pure arithmetic.
#pragma once

#include <algorithm>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/cluster/settings.hpp"

namespace mcplb::cluster {

struct CheckUrgency {
  bool changing = false;  // the last check contradicts what is believed of the backend
  bool all_down = false;  // no backend of the pool is usable
};

// Before jitter.
inline milliseconds check_interval(const HealthSettings& settings, CheckUrgency urgency) {
  milliseconds wait = settings.interval;
  if (urgency.changing) {
    wait = std::min(wait, std::max(settings.interval / 4, limits::changing_check_min));
  }
  if (urgency.all_down) {
    const milliseconds share = limits::recovery_look / std::max(settings.rise, 1);
    wait = std::min(wait, std::max(share, limits::checks_apart_min));
  }
  return wait;
}

}  // namespace mcplb::cluster
