#include "redis/link.hpp"

#include <algorithm>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/random.hpp"

namespace mcplb::redis {

Task<void> Link::keep_up(User& user) {
  while (true) {
    auto opened = co_await opener_.open();
    if (opened) {
      note_up();
      const TimePoint since = timers_.now();
      auto lost = co_await user.talk(**opened);
      // One that is lost again and again soon after it came must not be opened at full speed.
      if (timers_.now() - since >= limits::redis_backoff_max.count()) attempts_ = 0;
      note_down(lost);
      opened = lost;
    } else {
      note_down(opened.error());
    }
    const milliseconds pause = pause_after(opened.error());
    co_await timers_.sleep(timers_.in(pause));
  }
}

void Link::note_up() {
  down_.reset();
  log::event(LogLevel::info, "store_up", "connection", purpose_, "server", opener_.server());
}

void Link::note_down(const Error& reason) {
  const bool refused = reason.kind == Error::Kind::config;
  // What an operator has to change is worth a second line.
  const bool news = !down_ || (refused && *down_ != Error::Kind::config);
  down_ = reason.kind;
  if (!news) return;
  log::event(refused ? LogLevel::error : LogLevel::warn, refused ? "store_refused" : "store_down",
             "connection", purpose_, "server", opener_.server(), "reason", reason.what, "answer",
             opener_.error_code(), "errno", reason.os_code);
}

milliseconds Link::pause_after(const Error& reason) {
  milliseconds longest = limits::redis_backoff_max;
  if (reason.kind != Error::Kind::config) {
    longest = std::min(longest, limits::redis_backoff_min * (1 << std::min(attempts_, 10)));
  }
  ++attempts_;
  const auto half = static_cast<std::uint64_t>(longest.count()) / 2;
  return milliseconds(static_cast<std::int64_t>(half + random64() % (half + 1)));
}

}  // namespace mcplb::redis
