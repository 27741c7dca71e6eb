#include "drain_step.hpp"

#include <doctest/doctest.h>

using namespace mcplb;

namespace {

constexpr milliseconds timeout{30'000};

DrainState at(milliseconds elapsed) {
  DrainState state;
  state.elapsed = elapsed;
  state.timeout = timeout;
  return state;
}

}  // namespace

TEST_SUITE("server/drain_step") {
  TEST_CASE("an empty backend is done at once") {
    CHECK(next_step(at(milliseconds(0))) == DrainStep::end);
  }

  TEST_CASE("whatever is left keeps it until its time is up") {
    for (auto field : {&DrainState::sessions, &DrainState::streams, &DrainState::load}) {
      DrainState state = at(timeout - milliseconds(1));
      state.*field = 1;
      CHECK(next_step(state) == DrainStep::move);
      state.*field = 0;
      CHECK(next_step(state) == DrainStep::end);
    }
  }

  TEST_CASE("then what waits is given up, and what that has held has a moment to move") {
    DrainState state = at(timeout);
    state.sessions = 3;
    CHECK(next_step(state) == DrainStep::give_up);
    state.elapsed = timeout + limits::drain_grace - milliseconds(1);
    CHECK(next_step(state) == DrainStep::give_up);
    state.elapsed = timeout + limits::drain_grace;
    CHECK(next_step(state) == DrainStep::end);
  }

  TEST_CASE("a drain without time gives up at once") {
    DrainState state = at(milliseconds(0));
    state.timeout = milliseconds(0);
    state.load = 1;
    CHECK(next_step(state) == DrainStep::give_up);
  }
}
