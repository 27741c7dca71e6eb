// Active health: one flow per backend of a pool, on the control loop, decides Backend::healthy().
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/cluster/settings.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/net/tcp.hpp"

namespace mcplb::cluster {

// The way to a backend for checks: a connection of their own, TLS included, never a pooled one.
class CheckConnector {
 public:
  virtual ~CheckConnector() = default;
  virtual Task<Result<std::unique_ptr<net::Stream>>> connect(Backend& backend,
                                                             Deadline deadline) = 0;
};

// What the owner wants to hear, on the control loop, after the backend's state has changed. The
// callbacks may call sync(), but do not destroy the checks. Empty ones are not called.
struct HealthEvents {
  std::function<void(Backend&)> on_down;
  std::function<void(Backend&)> on_up;
  // It has lost the session of its check: whether it still has the others is to be doubted.
  std::function<void(Backend&)> on_suspect;
};

// One per pool. Owned by the server; lives on the control loop, shorter than the pool and the loop.
class HealthChecks {
 public:
  HealthChecks(net::Loop& loop, net::Resolver& resolver, Pool& pool, HealthEvents events);
  HealthChecks(net::Timers& timers, DeferQueue& turns, std::unique_ptr<CheckConnector> connector,
               Pool& pool, HealthEvents events);
  ~HealthChecks();
  HealthChecks(const HealthChecks&) = delete;
  HealthChecks& operator=(const HealthChecks&) = delete;

  // Takes over the pool's view, whenever there is a new one: starts checking members that are new,
  // ends the checks of those that left, and follows the settings; what is believed of the backends
  // stays. The first call begins at random within a quarter of the interval; whoever joins later
  // is checked at once.
  void sync();
  // Ends all checks and deletes what they keep open, for at most limits::check_farewell.
  void begin_stop();
  // Nothing is left, also of members that were removed.
  bool stopped() const { return members_.empty(); }

 private:
  class Member;
  friend class Member;

  const HealthSettings& settings() const { return view_->settings.health; }
  void start_missing();
  bool any_usable() const;
  void hurry_all();

  net::Timers& timers_;
  const std::unique_ptr<CheckConnector> connector_;
  Pool& pool_;
  const HealthEvents events_;
  std::shared_ptr<const PoolView> view_;  // as it was at the last sync()
  unsigned kind_version_ = 0;             // counts changes of what checks do, not of when
  bool started_ = false;
  std::vector<Member*> members_;  // owned by the nursery; the ending ones, too
  Nursery nursery_;
};

}  // namespace mcplb::cluster
