#include "load/alarm.hpp"

#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <utility>

#include "mcplb/base/assert.hpp"

namespace mcplb::bench {

// A uv handle is freed in its close callback, which may be after its alarm is gone.
struct Alarm::Handle {
  uv_poll_t poll{};
  int fd = -1;
  std::function<void()> on_ring;
};

void Alarm::Closer::operator()(Handle* handle) const {
  handle->on_ring = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle->poll), [](uv_handle_t* closed) {
    const std::unique_ptr<Handle> last_owner(static_cast<Handle*>(closed->data));
  });
  ::close(handle->fd);
}

Alarm::Alarm(net::Loop& loop, std::function<void()> on_ring) {
  auto handle = std::make_unique<Handle>();
  handle->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  handle->on_ring = std::move(on_ring);
  handle->poll.data = handle.get();
  MCPLB_ASSERT(handle->fd >= 0 && uv_poll_init(loop.raw(), &handle->poll, handle->fd) == 0);
  handle_.reset(handle.release());
  uv_poll_start(&handle_->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
    auto* const self = static_cast<Handle*>(poll->data);
    std::uint64_t rings = 0;
    const auto got = ::read(self->fd, &rings, sizeof rings);
    if (got > 0 && self->on_ring) self->on_ring();
  });
}

Alarm::~Alarm() = default;

void Alarm::set(std::int64_t when_us) {
  constexpr std::int64_t us_per_second = 1'000'000;
  // A time of zero would switch it off.
  when_us = std::max<std::int64_t>(when_us, 1);
  itimerspec when{};
  when.it_value.tv_sec = when_us / us_per_second;
  when.it_value.tv_nsec = when_us % us_per_second * 1000;
  timerfd_settime(handle_->fd, TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace mcplb::bench
