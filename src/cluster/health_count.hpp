// How many checks in a row it takes to change what is believed of a backend. Pure counting.
#pragma once

namespace mcplb::cluster {

struct HealthCount {
  bool healthy = true;
  int against = 0;  // checks in a row that contradict `healthy`

  // Takes the outcome of one check. True when it changed `healthy`.
  bool note(bool good, int rise, int fall) {
    if (good == healthy) {
      against = 0;
      return false;
    }
    ++against;
    if (against < (healthy ? fall : rise)) return false;
    healthy = good;
    against = 0;
    return true;
  }
};

}  // namespace mcplb::cluster
