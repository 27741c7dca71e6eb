// What a drain does next. Pure, so that its order can be read and tested by itself.
#pragma once

#include <cstdint>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"

namespace mcplb {

// A drained backend as it is now, on all workers together.
struct DrainState {
  milliseconds elapsed{0};
  milliseconds timeout{0};    // drain.timeout
  std::int64_t sessions = 0;  // that it owns
  std::int64_t streams = 0;   // of them
  std::int64_t load = 0;      // requests and streams that it is busy with

  bool is_empty() const { return sessions <= 0 && streams <= 0 && load <= 0; }
};

enum class DrainStep : std::uint8_t {
  move,     // sessions that nothing uses go elsewhere
  give_up,  // its time is up: what still waits for it ends; what that has held may move then
  end       // it is empty, or nothing more can be done
};

inline DrainStep next_step(const DrainState& state) {
  if (state.is_empty()) return DrainStep::end;
  if (state.elapsed < state.timeout) return DrainStep::move;
  return state.elapsed < state.timeout + limits::drain_grace ? DrainStep::give_up : DrainStep::end;
}

}  // namespace mcplb
