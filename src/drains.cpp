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
    for (std::size_t i = 0; i < parts_.shared.pools.size(); ++i) look_after(i);
  }
}

void Drains::look_after(std::size_t pool) {
  const cluster::Pool& drained = parts_.shared.pools[pool]->pool;
  for (const cluster::Membership::Leaving& leaving : parts_.membership.draining(drained.name())) {
    Progress& progress = progress_[leaving.backend->id()];
    if (progress.since != leaving.since) {
      progress = Progress();
      progress.since = leaving.since;
    }
    // One that was emptied by command may be removed later.
    if (!progress.ended || leaving.removed) empty(pool, leaving, progress);
  }
}

session::OwnedCounts Drains::left(std::size_t pool, const cluster::Backend& backend) const {
  const proxy::SharedPool& shared = *parts_.shared.pools[pool];
  session::OwnedCounts counts = shared.sessions.counts_of(backend.id());
  const session::OwnedCounts endpoints = shared.endpoint_sessions.counts_of(backend.id());
  counts.sessions += endpoints.sessions;
  counts.streams += endpoints.streams;
  return counts;
}

void Drains::empty(std::size_t pool, const cluster::Membership::Leaving& leaving,
                   Progress& progress) {
  cluster::Backend& backend = *leaving.backend;
  const milliseconds timeout = parts_.shared.pools[pool]->pool.view()->settings.drain_timeout;
  const milliseconds elapsed(parts_.loop.now() - leaving.since);
  const session::OwnedCounts counts = left(pool, backend);
  const bool is_empty = counts.sessions <= 0 && counts.streams <= 0 && backend.load() == 0;
  if (is_empty || elapsed >= timeout + limits::drain_grace) {
    end(pool, leaving, progress);
    return;
  }
  // What it was used for was all that held some sessions: they may move now.
  if (elapsed >= timeout) give_up(backend, progress);
  // Half of the time, so that a stream that waits for the end of an event has the other half.
  if (!std::exchange(progress.streams_told, true)) {
    parts_.tell_workers([&backend, within = timeout / 2](proxy::WorkerProxy& worker) {
      worker.leave(backend, within);
    });
  }
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
  const session::OwnedCounts counts = left(pool, backend);
  const std::string& name = parts_.shared.pools[pool]->pool.name();
  progress.ended = true;
  log::event(LogLevel::info, "backend_drained", "pool", name, "backend", backend.name(),
             "sessions_left", counts.sessions, "streams_left", counts.streams, "requests_left",
             backend.load(), "ms", parts_.loop.now() - leaving.since);
  // The next request of a session that is left finds its owner gone.
  const bool is_left = counts.sessions > 0 || counts.streams > 0 || backend.load() > 0;
  if (leaving.removed) {
    progress_.erase(backend.id());
    parts_.membership.let_go(name, backend);
  } else if (is_left) {
    parts_.membership.set_mode(name, backend.name(), cluster::Mode::disabled);
  }
}

}  // namespace mcplb
