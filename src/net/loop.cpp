#include "mcplb/net/loop.hpp"

#include <uv.h>

#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "net/socket_poller.hpp"

namespace mcplb::net {

// The uv handles are closed before the loop is; State dies last.
struct Loop::State {
  explicit State(std::size_t block_bytes) : buffers(block_bytes) {}

  uv_loop_t loop{};
  uv_timer_t alarm{};
  uv_async_t mail{};
  std::thread::id thread;
  SocketPoller sockets;  // waits for libuv's descriptors, too
  BufferPool buffers;
  IntrusiveList<Deferred> deferred;
  std::vector<std::unique_ptr<uv_signal_t>> signals;
  std::vector<std::unique_ptr<std::function<void()>>> signal_handlers;
  std::unique_ptr<Timers> timers;

  std::mutex mutex;  // guards `messages`
  std::vector<std::function<void()>> messages;

  bool stopped = false;
  std::int64_t turn_us = monotonic_us();

  void run_deferred();
  void run_messages();
};

void Loop::State::run_deferred() {
  IntrusiveList<Deferred> due;
  due.splice(deferred);
  while (!due.empty()) {
    Deferred& work = due.front();
    work.unlink();
    work.run_deferred();
  }
}

void Loop::State::run_messages() {
  std::vector<std::function<void()>> due;
  {
    const std::lock_guard lock(mutex);
    due.swap(messages);
  }
  for (auto& message : due) message();
}

Loop::Loop(std::size_t buffer_block_bytes) : state_(std::make_unique<State>(buffer_block_bytes)) {
  State& state = *state_;
  MCPLB_ASSERT(uv_loop_init(&state.loop) == 0);
  state.sockets.set_other(uv_backend_fd(&state.loop));
  state.thread = std::this_thread::get_id();
  state.timers = std::make_unique<Timers>(static_cast<Clock&>(*this));
  uv_timer_init(&state.loop, &state.alarm);
  state.alarm.data = &state;
  state.mail.data = &state;
  MCPLB_ASSERT(uv_async_init(&state.loop, &state.mail, [](uv_async_t* mail) {
                 static_cast<State*>(mail->data)->run_messages();
               }) == 0);
}

Loop::~Loop() {
  State& state = *state_;
  state.run_deferred();
  {
    const std::lock_guard lock(state.mutex);
    state.messages.clear();
  }
  for (auto& signal : state.signals) {
    uv_close(reinterpret_cast<uv_handle_t*>(signal.get()), nullptr);
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&state.alarm), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&state.mail), nullptr);
  // Runs the close callbacks of everything that was still open.
  uv_run(&state.loop, UV_RUN_DEFAULT);
  uv_loop_close(&state.loop);
}

void Loop::run() {
  State& state = *state_;
  state.thread = std::this_thread::get_id();
  state.stopped = false;
  // libuv has a turn only when there is something for it to do: its turn is one more system call.
  for (;;) {
    uv_run(&state.loop, UV_RUN_NOWAIT);
    if (state.stopped) return;
    do {
      state.run_deferred();
      const int patience = uv_backend_timeout(&state.loop);
      state.sockets.wait(state.deferred.empty() ? patience : 0);
      uv_update_time(&state.loop);
      state.turn_us = monotonic_us();
      if (state.sockets.tell()) break;
    } while (uv_backend_timeout(&state.loop) != 0);
  }
}

void Loop::stop() {
  post([this] { state_->stopped = true; });
}

void Loop::post(std::function<void()> message) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->messages.push_back(std::move(message));
  }
  uv_async_send(&state_->mail);
}

void Loop::defer(Deferred& work) {
  if (work.linked()) return;
  state_->deferred.push_back(work);
}

TimePoint Loop::now() const { return static_cast<TimePoint>(uv_now(&state_->loop)); }
std::int64_t Loop::turn_us() const { return state_->turn_us; }
Timers& Loop::timers() { return *state_->timers; }
BufferPool& Loop::buffers() { return state_->buffers; }
uv_loop_s* Loop::raw() { return &state_->loop; }
SocketPoller& Loop::sockets() { return state_->sockets; }

void Loop::assert_here() const { MCPLB_ASSERT(state_->thread == std::this_thread::get_id()); }

void Loop::on_signal(int signal_number, std::function<void()> on_signal) {
  auto handle = std::make_unique<uv_signal_t>();
  auto handler = std::make_unique<std::function<void()>>(std::move(on_signal));
  uv_signal_init(&state_->loop, handle.get());
  handle->data = handler.get();
  const auto call = [](uv_signal_t* signal, int) {
    (*static_cast<std::function<void()>*>(signal->data))();
  };
  uv_signal_start(handle.get(), call, signal_number);
  state_->signals.push_back(std::move(handle));
  state_->signal_handlers.push_back(std::move(handler));
}

void Loop::wake_at(TimePoint when) {
  const TimePoint wait = when - now();
  const auto ring = [](uv_timer_t* alarm) { static_cast<State*>(alarm->data)->timers->advance(); };
  uv_timer_start(&state_->alarm, ring, static_cast<std::uint64_t>(wait > 0 ? wait : 0), 0);
}

}  // namespace mcplb::net
