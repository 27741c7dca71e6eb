#include "drains.hpp"

#include <utility>
#include <vector>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"

namespace mcplb {

void Drains::start() { parts_.nursery.spawn(run()); }

Task<void> Drains::run() {
  while (true) {
    const Deadline next = parts_.loop.timers().in(limits::drain_look);
    co_await parts_.loop.timers().sleep(next);
    std::set<BackendId> draining;
    for (std::size_t i = 0; i < parts_.shared.pools.size(); ++i) look_after(i, draining);
    std::erase_if(progress_, [&](const auto& each) { return !draining.contains(each.first); });
  }
}

void Drains::look_after(std::size_t pool, std::set<BackendId>& draining) {
  const cluster::Pool& drained = parts_.shared.pools[pool]->pool;
  for (const cluster::Membership::Leaving& leaving : parts_.membership.draining(drained.name())) {
    draining.insert(leaving.backend->id());
    Progress& progress = progress_[leaving.backend->id()];
    if (progress.since != leaving.since) {
      progress = Progress();
      progress.since = leaving.since;
    }
    // One that was emptied by command may be removed later.
    if (!progress.ended || leaving.removed) empty(pool, leaving, progress);
  }
}

DrainState Drains::state_of(std::size_t pool, const cluster::Membership::Leaving& leaving) const {
  const proxy::SharedPool& shared = *parts_.shared.pools[pool];
  const BackendId id = leaving.backend->id();
  const session::OwnedCounts sessions = shared.sessions.counts_of(id);
  const session::OwnedCounts endpoints = shared.endpoint_sessions.counts_of(id);
  DrainState state;
  state.elapsed = milliseconds(parts_.loop.now() - leaving.since);
  state.timeout = shared.pool.view()->settings.drain_timeout;
  state.sessions = sessions.sessions + endpoints.sessions;
  state.streams = sessions.streams + endpoints.streams;
  state.load = leaving.backend->load();
  return state;
}

void Drains::empty(std::size_t pool, const cluster::Membership::Leaving& leaving,
                   Progress& progress) {
  cluster::Backend& backend = *leaving.backend;
  const DrainState state = state_of(pool, leaving);
  const DrainStep step = next_step(state);
  if (step == DrainStep::end) {
    end(pool, leaving, progress);
    return;
  }
  // Half of the time, so that a stream that waits for the end of an event has the other half.
  if (!std::exchange(progress.streams_told, true)) {
    parts_.tell_workers([&backend, within = state.timeout / 2](proxy::WorkerProxy& worker) {
      worker.leave(backend, within);
    });
  }
  if (step == DrainStep::give_up) give_up(backend, progress);
  move_unused(pool, backend, progress);
}

void Drains::give_up(const cluster::Backend& backend, Progress& progress) {
  if (std::exchange(progress.cut, true) || backend.load() == 0) return;
  parts_.tell_workers([&backend](proxy::WorkerProxy& worker) { worker.give_up(backend); });
}

void Drains::move_unused(std::size_t pool, cluster::Backend& backend, Progress& progress) {
  if (moving_ >= limits::drain_moves_max) return;
  const std::vector<session::OwnedSession> owned =
      parts_.shared.pools[pool]->sessions.owned_by(backend.id(), limits::drain_moves_max - moving_,
                                                   true, progress.mark);
  for (const session::OwnedSession& session : owned) {
    // One with a stream is moved by that, with its client's credentials.
    if (session.streams > 0 || progress.stuck.contains(hash64(session.id))) continue;
    ++moving_;
    parts_.nursery.spawn(move(pool, backend.id(), session));
  }
}

Task<void> Drains::move(std::size_t pool, BackendId from, session::OwnedSession session) {
  const std::uint64_t hash = hash64(session.id);
  auto result = co_await parts_.sessions.move_away(pool, from, std::move(session));
  --moving_;
  using Outcome = session::MoveResult::Outcome;
  const bool cannot = result.outcome == Outcome::lost || result.outcome == Outcome::forbidden;
  const auto progress = progress_.find(from);
  // Its next request brings what is missing, or finds the backend gone.
  if (cannot && progress != progress_.end()) progress->second.stuck.insert(hash);
}

void Drains::end(std::size_t pool, const cluster::Membership::Leaving& leaving,
                 Progress& progress) {
  cluster::Backend& backend = *leaving.backend;
  const DrainState state = state_of(pool, leaving);
  const std::string& name = parts_.shared.pools[pool]->pool.name();
  progress.ended = true;
  log::event(LogLevel::info, "backend_drained", "pool", name, "backend", backend.name(),
             "sessions_left", state.sessions, "streams_left", state.streams, "requests_left",
             state.load, "ms", state.elapsed.count());
  // The next request of a session that is left finds its owner gone.
  if (leaving.removed) {
    parts_.membership.let_go(name, backend);
  } else if (!state.is_empty()) {
    parts_.membership.set_mode(name, backend.name(), cluster::Mode::disabled);
  }
}

}  // namespace mcplb
