#include "mcplb/cluster/health.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/net/tls.hpp"

#include "cluster/check_schedule.hpp"
#include "cluster/checks/checks.hpp"
#include "cluster/health_count.hpp"
#include "cluster/pause.hpp"

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

class DirectConnector final : public CheckConnector {
 public:
  DirectConnector(net::Loop& loop, net::Resolver& resolver) : loop_(loop), resolver_(resolver) {}

  Task<Result<std::unique_ptr<net::Stream>>> connect(Backend& backend, Deadline deadline) override {
    auto stream =
        co_await net::connect_host(loop_, resolver_, backend.host(), backend.port(), deadline);
    if (!stream || backend.tls() == nullptr) co_return stream;
    co_return co_await net::tls_connect(loop_, *std::move(stream), *backend.tls(),
                                        backend.tls_name(), deadline);
  }

 private:
  net::Loop& loop_;
  net::Resolver& resolver_;
};

}  // namespace

// Checks one backend for as long as it is a member, and then ends what its checks keep open.
class HealthChecks::Member final : public Job {
 public:
  Member(HealthChecks& home, Backend& backend, milliseconds first_wait)
      : home_(home),
        backend_(backend),
        first_wait_(first_wait),
        check_(make_check(home.settings(), backend, *home.connector_)),
        kind_version_(home.kind_version_),
        pause_(home.timers_),
        last_call_(*this) {
    count_.healthy = backend.healthy();
    home_.members_.push_back(this);
  }
  ~Member() override { std::erase(home_.members_, this); }

  const Backend& backend() const { return backend_; }
  bool ending() const { return ending_; }
  // Something else is more urgent now, or the settings have changed.
  void hurry() {
    if (!ending_) pause_.bring_forward(home_.timers_.in(jittered(next_wait())));
  }
  void end(Deadline deadline) {
    if (ending_) return;
    ending_ = true;
    if (!check_->leaves_something()) {
      cancel_soon();
      return;
    }
    end_by_ = deadline;
    home_.timers_.arm(last_call_, deadline);
    pause_.bring_forward(home_.timers_.in(milliseconds(0)));
  }

 private:
  // Ends the flow where it is, for a backend that does not answer.
  class LastCall final : public net::Timer {
   public:
    explicit LastCall(Member& member) : member_(member) {}

   private:
    void on_timer() override { member_.cancel_soon(); }
    Member& member_;
  };

  Task<void> run() override {
    net::Timers& timers = home_.timers_;
    co_await pause_.until(timers.in(first_wait_));
    while (!ending_) {
      co_await renew();
      const TimePoint began = timers.now();
      auto answer = co_await check_->run(timers.in(home_.settings().timeout));
      if (ending_) break;
      note(std::move(answer), began);
      // A callback may have ended this member.
      if (!ending_) co_await pause_.until(timers.in(jittered(next_wait())));
    }
    co_await check_->end(end_by_);
  }

  // Another kind of check, or another path: what the old one keeps open is ended first.
  Task<void> renew() {
    if (kind_version_ == home_.kind_version_) co_return;
    kind_version_ = home_.kind_version_;
    co_await check_->end(home_.timers_.in(limits::check_farewell));
    check_ = make_check(home_.settings(), backend_, *home_.connector_);
  }

  milliseconds next_wait() const {
    CheckUrgency urgency;
    urgency.changing = count_.against > 0;
    urgency.all_down = backend_.mode() == Mode::active && !home_.any_usable();
    return check_interval(home_.settings(), urgency);
  }

  void note(CheckAnswer answer, TimePoint began) {
    const HealthSettings settings = home_.settings();  // a callback may change them
    const TimePoint now = home_.timers_.now();
    backend_.health().note_check(answer.good, answer.text, now);
    if (answer.restarted) note_restarted(now);
    if (answer.good) {
      home_.pool_.ejector().note_good_check(backend_, began, *home_.view_, now);
    } else {
      backend_.health().note_bad_check(began);
    }
    if (!count_.note(answer.good, settings.rise, settings.fall)) return;
    backend_.health().note_turn(answer.good, now);
    if (answer.good) {
      came_up(now);
    } else {
      went_down(answer.text);
    }
  }

  void note_restarted(TimePoint now) {
    backend_.health().note_restarted(now);
    log::event(LogLevel::warn, "backend_restarted", "pool", backend_.pool(), "backend",
               backend_.name(), "reason", "it does not know the session of its checks any more",
               "sessions", "suspect");
    if (home_.events_.on_suspect) home_.events_.on_suspect(backend_);
  }

  void came_up(TimePoint now) {
    backend_.health().warmth.begin(now, home_.settings().slow_start);
    backend_.set_healthy(true);
    log::event(LogLevel::info, "backend_up", "pool", backend_.pool(), "backend", backend_.name(),
               "reason", "checks succeed", "checks", home_.settings().rise);
    if (home_.events_.on_up) home_.events_.on_up(backend_);
  }

  void went_down(const std::string& reason) {
    backend_.set_healthy(false);
    log::event(LogLevel::warn, "backend_down", "pool", backend_.pool(), "backend", backend_.name(),
               "reason", reason, "checks", home_.settings().fall);
    if (!home_.any_usable()) home_.hurry_all();
    if (home_.events_.on_down) home_.events_.on_down(backend_);
  }

  HealthChecks& home_;
  Backend& backend_;  // the registry's
  const milliseconds first_wait_;
  std::unique_ptr<Check> check_;
  unsigned kind_version_;
  HealthCount count_;
  Pause pause_;
  bool ending_ = false;
  Deadline end_by_ = Deadline::never();
  LastCall last_call_;
};

HealthChecks::HealthChecks(net::Loop& loop, net::Resolver& resolver, Pool& pool,
                           HealthEvents events)
    : HealthChecks(loop.timers(), loop, std::make_unique<DirectConnector>(loop, resolver), pool,
                   std::move(events)) {
  loop.assert_here();
}

HealthChecks::HealthChecks(net::Timers& timers, DeferQueue& turns,
                           std::unique_ptr<CheckConnector> connector, Pool& pool,
                           HealthEvents events)
    : timers_(timers),
      connector_(std::move(connector)),
      pool_(pool),
      events_(std::move(events)),
      view_(pool.view()),
      nursery_(turns) {}

HealthChecks::~HealthChecks() = default;

void HealthChecks::sync() {
  const HealthSettings before = settings();
  view_ = pool_.view();
  const HealthSettings& now = settings();
  if (now.check != before.check || now.path != before.path || now.host != before.host) {
    ++kind_version_;
  }
  for (Member* member : members_) {
    const bool stays = view_->find(member->backend().id()) != nullptr;
    if (!stays) member->end(timers_.in(limits::check_farewell));
  }
  start_missing();
  hurry_all();
  started_ = true;
}

void HealthChecks::start_missing() {
  for (Backend* backend : view_->backends) {
    const bool known = std::any_of(members_.begin(), members_.end(), [&](const Member* member) {
      return &member->backend() == backend && !member->ending();
    });
    if (known) continue;
    if (started_) backend->health().warmth.begin(timers_.now(), settings().slow_start);
    const milliseconds wait = started_ ? milliseconds(0) : random_below(settings().interval / 4);
    nursery_.spawn(std::make_unique<Member>(*this, *backend, wait));
  }
}

void HealthChecks::begin_stop() {
  for (Member* member : members_)
    member->end(timers_.in(limits::check_farewell));
}

bool HealthChecks::any_usable() const {
  return std::any_of(view_->backends.begin(), view_->backends.end(),
                     [](const Backend* backend) { return backend->usable(); });
}

void HealthChecks::hurry_all() {
  for (Member* member : members_)
    member->hurry();
}

}  // namespace mcplb::cluster
