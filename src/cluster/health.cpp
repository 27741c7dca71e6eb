#include "mcplb/cluster/health.hpp"

#include <memory>

#include "mcplb/base/log.hpp"
#include "mcplb/base/random.hpp"

#include "cluster/health_count.hpp"

namespace mcplb::cluster {
namespace {

milliseconds random_below(milliseconds bound) {
  if (bound.count() <= 0) return milliseconds(0);
  return milliseconds(random64() % static_cast<std::uint64_t>(bound.count()));
}

// Balancers that started together must not check together: ±10 %.
milliseconds jittered(milliseconds interval) {
  return interval - interval / 10 + random_below(interval / 5);
}

// Checks one backend for as long as it lives.
class BackendCheck final : public Job {
 public:
  BackendCheck(net::Loop& loop, net::Resolver& resolver, Backend& backend,
               const HealthSettings& settings)
      : loop_(loop),
        resolver_(resolver),
        backend_(backend),
        settings_(settings) {
    count_.healthy = backend.healthy();
  }

 private:
  Task<void> run() override {
    net::Timers& timers = loop_.timers();
    co_await timers.sleep(timers.in(random_below(settings_.interval)));
    while (true) {
      auto answered = co_await check();
      note(answered);
      co_await timers.sleep(timers.in(jittered(settings_.interval)));
    }
  }

  // A connection of its own, closed at once: a check never waits for the data path's pool.
  Task<Result<void>> check() {
    const Deadline deadline = loop_.timers().in(settings_.timeout);
    auto stream =
        co_await net::connect_host(loop_, resolver_, backend_.host(), backend_.port(), deadline);
    if (!stream) co_return stream.error();
    co_return Result<void>();
  }

  void note(const Result<void>& answered) {
    if (!count_.note(static_cast<bool>(answered), settings_.rise, settings_.fall)) return;
    backend_.set_healthy(count_.healthy);
    if (count_.healthy) {
      log::event(LogLevel::info, "backend_up", "pool", backend_.pool(), "backend", backend_.name(),
                 "reason", "checks succeed", "checks", settings_.rise);
    } else {
      log::event(LogLevel::warn, "backend_down", "pool", backend_.pool(), "backend",
                 backend_.name(), "reason", answered.error().what, "checks", settings_.fall);
    }
  }

  net::Loop& loop_;
  net::Resolver& resolver_;
  Backend& backend_;
  const HealthSettings settings_;
  HealthCount count_;
};

}  // namespace

void start_health_checks(Nursery& nursery, net::Loop& loop, net::Resolver& resolver, Pool& pool) {
  loop.assert_here();
  const auto view = pool.view();
  for (Backend* backend : view->backends) {
    nursery.spawn(std::make_unique<BackendCheck>(loop, resolver, *backend, view->settings.health));
  }
}

}  // namespace mcplb::cluster
