// Empties backends: those that are drained by command, and those that nobody names any more. Their
// sessions move to other backends, at once when nothing uses them, else when their last request is
// answered; streams go on at the new owner. After the pool's `drain.timeout` what is left is cut.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_set>

#include "drain_step.hpp"
#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/ids.hpp"
#include "mcplb/cluster/membership.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/session/directory.hpp"
#include "pool_upkeep.hpp"
#include "session_upkeep.hpp"

namespace mcplb {

// Owned by the server, used on the control loop only. All that it is given outlives it, but for the
// nursery, which runs its flows and is destroyed first.
class Drains {
 public:
  struct Parts {
    net::Loop& loop;
    Nursery& nursery;
    cluster::Membership& membership;
    const proxy::SharedState& shared;
    SessionUpkeep& sessions;
    TellWorkers tell_workers;
  };
  explicit Drains(Parts parts) : parts_(std::move(parts)) {}
  Drains(const Drains&) = delete;
  Drains& operator=(const Drains&) = delete;

  void start();

 private:
  // Of one backend, while it drains.
  struct Progress {
    TimePoint since = 0;           // as membership says: another value is another drain
    session::OwnedMark mark;       // where the next look for its sessions begins
    bool streams_told = false;
    bool cut = false;              // its time was up: what still waited for it was given up
    bool ended = false;
    std::unordered_set<std::uint64_t> stuck;  // hashes of sessions that cannot move by themselves
  };

  Task<void> run();
  // Adds those that drain to `draining`.
  void look_after(std::size_t pool, std::set<BackendId>& draining);
  void give_up(const cluster::Backend& backend, Progress& progress);
  void empty(std::size_t pool, const cluster::Membership::Leaving& leaving, Progress& progress);
  void move_unused(std::size_t pool, cluster::Backend& backend, Progress& progress);
  Task<void> move(std::size_t pool, BackendId from, session::OwnedSession session);
  void end(std::size_t pool, const cluster::Membership::Leaving& leaving, Progress& progress);
  DrainState state_of(std::size_t pool, const cluster::Membership::Leaving& leaving) const;

  const Parts parts_;
  std::map<BackendId, Progress> progress_;  // of those that drain now
  std::size_t moving_ = 0;
};

}  // namespace mcplb
