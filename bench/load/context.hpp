// What the flows of one thread of the generator share. Used on that thread's loop only.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "mcplb/net/address.hpp"
#include "mcplb/net/loop.hpp"

#include "load/pacing.hpp"
#include "load/replies.hpp"
#include "load/requests.hpp"
#include "load/scenario.hpp"
#include "load/schedule.hpp"
#include "load/tally.hpp"

namespace mcplb::bench {

// Events of all streams of all threads.
struct EventCounts {
  std::atomic<std::uint64_t> expected{0};
  std::atomic<std::uint64_t> received{0};
};

struct Context {
  Context(net::Loop& its_loop, const Scenario& its_scenario, EventCounts& its_events)
      : loop(its_loop),
        scenario(its_scenario),
        events(its_events),
        pacing(its_loop, tally.late),
        requests(its_scenario),
        random(its_scenario.seed) {}

  Deadline deadline() const { return loop.timers().in(scenario.timeout); }

  net::Loop& loop;
  const Scenario& scenario;
  EventCounts& events;
  net::Address address;
  Window window;
  Tally tally;
  Pacing pacing;
  Requests requests;
  ReplyChecker checker;
  Random random;
  std::uint64_t next_id = 1;        // of requests in sessions; no two of a run are equal
  std::vector<Session> sessions;    // what the callers use
  std::vector<Session> to_remove;   // what is left to be deleted at the end
};

}  // namespace mcplb::bench
