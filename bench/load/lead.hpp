// Leads the threads of the generator through a run: open, warm up, measure, wait, tidy up.
#pragma once

#include <string>

#include "load/scenario.hpp"
#include "load/tally.hpp"

namespace mcplb::bench {

struct Run {
  Tally tally;
  std::string error;  // not empty: there was nothing to measure
};

// Says on stderr how far it is; `measuring` and `measured` are lines of their own, at the times at
// which the window begins and ends. Blocks.
Run run(const Scenario& scenario);

}  // namespace mcplb::bench
