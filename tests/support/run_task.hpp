// Starts a flow in a test and keeps what it returns.
//
//   auto reading = test::run(stream.read_something(deadline));
//   pipe.pump();
//   REQUIRE(reading.done());
//   CHECK(reading.result() == …);
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "mcplb/async/task.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"

namespace mcplb::test {

// Owns a running flow; destroying or cancel()ing it cancels the flow where it waits.
template <class T>
class Running {
 public:
  explicit Running(Task<T> task) : state_(std::make_unique<State>()) {
    state_->task = keep(std::move(task), *state_);
    state_->task.start([](void*) {}, nullptr);
  }

  bool done() const { return state_->result.has_value(); }
  // What the flow returned; it has to be done.
  T& result() {
    MCPLB_ASSERT(done());
    return *state_->result;
  }
  void cancel() { state_->task.reset(); }
  // Called when the flow ends, from inside of it.
  void on_done(void (*call)(void*), void* context) {
    state_->call = call;
    state_->context = context;
  }

 private:
  struct State {
    std::optional<T> result;
    void (*call)(void*) = nullptr;
    void* context = nullptr;
    Task<void> task;  // refers to what stands before it
  };
  static Task<void> keep(Task<T> task, State& state) {
    auto result = co_await task;
    state.result.emplace(std::move(result));
    if (state.call != nullptr) state.call(state.context);
  }

  std::unique_ptr<State> state_;
};

struct Ended {};

inline Task<Ended> as_value(Task<void> task) {
  co_await task;
  co_return Ended{};
}

template <class T>
Running<T> run(Task<T> task) {
  return Running<T>(std::move(task));
}
inline Running<Ended> run(Task<void> task) {
  return Running<Ended>(as_value(std::move(task)));
}

// Some time for a loop, to do what waits for it.
inline Task<void> turn(net::Loop& loop, milliseconds length = milliseconds(20)) {
  co_await loop.timers().sleep(loop.timers().in(length));
}

// A flow of one wait, for testing a stream without a flow of one's own.
inline Task<Result<void>> more(net::Stream& stream, Deadline deadline) {
  co_return co_await stream.more(deadline);
}
inline Task<Result<void>> write(net::Stream& stream, std::string bytes, Deadline deadline) {
  co_return co_await stream.write(bytes, deadline);
}

// Runs a real loop until the flow has ended, for at most ten seconds.
template <class T>
T run_on(net::Loop& loop, Task<T> task) {
  class GivesUp final : public net::Timer {
    void on_timer() override { assertion_failed("the flow ends", __FILE__, __LINE__); }
  } gives_up;
  loop.timers().arm(gives_up, loop.timers().in(milliseconds(10'000)));
  Running<T> running(std::move(task));
  running.on_done([](void* stopped) { static_cast<net::Loop*>(stopped)->stop(); }, &loop);
  if (!running.done()) loop.run();
  return std::move(running.result());
}
inline void run_on(net::Loop& loop, Task<void> task) {
  run_on(loop, as_value(std::move(task)));
}

}  // namespace mcplb::test
