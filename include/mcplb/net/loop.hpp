// One libuv loop, the sockets beside it, and what is shared by everything on it: time, timers, read
// buffers, deferred work and a mailbox. One per thread; every method but post() and stop() belongs
// to that thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/buffer.hpp"
#include "mcplb/net/timers.hpp"

struct uv_loop_s;

namespace mcplb::net {

class SocketPoller;

class Loop final : public DeferQueue, private Clock {
 public:
  // `buffer_block_bytes`: the size of one read buffer block, at least limits::buffer_block_bytes.
  explicit Loop(std::size_t buffer_block_bytes);
  ~Loop() override;

  // Runs until stop(). The calling thread becomes the loop's thread.
  void run();
  // Thread-safe.
  void stop();
  // Runs `message` on this loop soon, in order. Thread-safe; the only door between threads.
  // Messages that were not run when the loop is destroyed are destroyed unrun.
  void post(std::function<void()> message);
  void defer(Deferred& work) override;

  TimePoint now() const override;
  std::int64_t turn_us() const override;
  Timers& timers();
  BufferPool& buffers();
  // Aborts when called from another thread than the loop's.
  void assert_here() const;
  // Calls `on_signal` on this loop for each delivery of that signal, until the loop ends.
  void on_signal(int signal_number, std::function<void()> on_signal);

  uv_loop_s* raw();         // for net, and for the clock of bench
  SocketPoller& sockets();  // for net

 private:
  void wake_at(TimePoint when) override;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mcplb::net
