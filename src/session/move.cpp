#include "mcplb/session/move.hpp"

#include <memory>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

#include "session/move_flight.hpp"

namespace mcplb::session {

using Outcome = MoveResult::Outcome;

Mover::Mover(net::Timers& timers, Nursery& nursery, Store* store, Asker::Connector* connector)
    : timers_(timers),
      nursery_(nursery),
      store_(store),
      connector_(connector) {}

// Who moves it may sit on another loop, so the others look again and again; each for its own
// request's sake, since what one credential may not do another may.
Task<MoveResult> Mover::move(const LookupScope& scope, MoveQuery query) {
  const Deadline deadline = timers_.in(limits::session_move);
  bool waited_for_turn = false;
  while (!deadline.passed(timers_.now())) {
    if (moving_ < limits::session_moves_max) {
      const auto start =
          query.directory->begin_move(query.session, query.generation, timers_.now(),
                                      query.requests_max);
      if (start == MoveStart::in_use) co_return MoveResult{Outcome::in_use, {}, "it is in use"};
      if (start == MoveStart::moved_already) co_return MoveResult{Outcome::moved, {}, ""};
      if (start == MoveStart::gone) co_return MoveResult{Outcome::lost, {}, "it is forgotten"};
      if (start == MoveStart::started) {
        MoveWaiter waiter;
        auto flight = std::make_unique<Flight>(*this, scope, std::move(query), deadline);
        flight->join(waiter);
        nursery_.spawn(std::move(flight));
        co_await waiter;
        co_return std::move(*waiter.result);
      }
    } else if (!std::exchange(waited_for_turn, true)) {
      count_limit_hit(Limit::session_moves);
    }
    const Deadline next = earlier(timers_.in(limits::session_move_poll), deadline);
    co_await timers_.sleep(next);
  }
  co_return MoveResult{Outcome::unavailable, {}, "somebody else is moving it"};
}

}  // namespace mcplb::session
