#include "mcplb/session/sweeper.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/session/stored_facts.hpp"

namespace mcplb::session {
namespace {

constexpr milliseconds pause_longest{5000};
constexpr milliseconds pause_shortest{100};
constexpr milliseconds renewal_longest{60'000};
// Of a lock whose holder dies, in rounds.
constexpr int lock_rounds = 4;

}  // namespace

Sweeper::Sweeper(Swept swept, Farewells& farewells, Nursery& nursery, net::Timers& timers)
    : swept_(std::move(swept)),
      scope_{swept_.pool.name()},
      farewells_(farewells),
      nursery_(nursery),
      timers_(timers) {
  settings_changed();
}

void Sweeper::settings_changed() {
  const milliseconds idle = swept_.settings.idle_timeout;
  scope_.idle = idle;
  pause_ = std::clamp(idle / 4, pause_shortest, pause_longest);
  interval_ = std::min(idle / 4, renewal_longest);
}

void Sweeper::start() {
  timers_.arm(*this, timers_.in(pause_));
}

void Sweeper::round_soon() {
  again_ = true;
  if (!in_round_) timers_.arm(*this, timers_.in(milliseconds(0)));
}

void Sweeper::on_store_connected() {
  settled_at_ = timers_.now() + 2 * interval_.count();
  round_soon();
}

void Sweeper::on_timer() {
  in_round_ = true;
  again_ = false;
  nursery_.spawn(round());
}

Task<void> Sweeper::round() {
  // First: what expires here a moment later is known to the store then, which will end it.
  auto all_written = co_await write_due();
  std::size_t expired = expire_here();
  // A balancer that is behind with its own renewals cannot tell what has expired.
  if (all_written && store_is_settled()) {
    auto expired_there = co_await expire_in_store();
    expired += expired_there;
  }
  if (expired > 0) {
    swept_.events.add(Event::expired, expired);
    log::event(LogLevel::info, "sessions_expired", "pool", scope_.pool, "count", expired);
  }
  in_round_ = false;
  timers_.arm(*this, timers_.in(again_ ? milliseconds(0) : pause_));
}

Task<bool> Sweeper::write_due() {
  if (swept_.store == nullptr) co_return true;
  auto sessions = co_await write_due(swept_.sessions);
  if (!sessions) co_return false;
  co_return co_await write_due(swept_.endpoint_sessions);
}

Task<bool> Sweeper::write_due(Directory& directory) {
  std::size_t written = 0;
  while (swept_.store->connected() && written < limits::store_writes_per_round) {
    const std::vector<Record> due =
        directory.due_for_store(interval_, timers_.now(), limits::store_writes_batch);
    for (std::size_t i = 0; i < due.size(); ++i) {
      StoredRecord record = to_stored(directory, due[i]);
      if (record.id.empty()) continue;
      auto put = co_await swept_.store->put(scope_, std::move(record));
      if (!put) {
        note_writing(&put.error());
        for (; i < due.size(); ++i)
          directory.give_back(due[i]);
        co_return false;
      }
      if (*put == Store::Put::deleted) directory.forget(due[i].id);
      // It lives elsewhere now: the next use looks it up.
      if (*put == Store::Put::other) directory.distrust(due[i].id);
    }
    if (!due.empty()) note_writing(nullptr);
    written += due.size();
    if (due.size() < limits::store_writes_batch) co_return true;
  }
  if (written > 0) again_ = true;
  co_return false;
}

// A store that is away says so in a line of its own.
void Sweeper::note_writing(const Error* error) {
  const bool fails = error != nullptr && swept_.store->connected();
  if (fails && !writing_fails_) {
    log::event(LogLevel::warn, "sessions_not_stored", "pool", scope_.pool, "reason", error->what);
  }
  writing_fails_ = fails;
}

// Empty when its backend is not configured here: then it is not this balancer's to tell.
StoredRecord Sweeper::to_stored(const Directory& directory, const Record& record) const {
  const cluster::Backend* const owner = owner_of(record);
  if (owner == nullptr) return {};
  StoredRecord stored = stored_record(record, owner->name());
  if (&directory == &swept_.endpoint_sessions) stored.place.protocol = endpoint_protocol;
  return stored;
}

cluster::Backend* Sweeper::owner_of(const Record& record) const {
  return swept_.pool.view()->find(record.facts.owner);
}

// With a store, a session that is unused here may be in use at another balancer: then only the
// cached entry goes.
std::size_t Sweeper::expire_here() {
  const TimePoint now = timers_.now();
  std::vector<Record> ended = swept_.sessions.expire(scope_.idle, now);
  const std::size_t endpoint_sessions = swept_.endpoint_sessions.expire(scope_.idle, now).size();
  if (swept_.store != nullptr) return 0;
  for (Record& record : ended)
    end(owner_of(record), record.id, std::move(record.facts));
  return ended.size() + endpoint_sessions;
}

bool Sweeper::store_is_settled() const {
  return swept_.store != nullptr && swept_.store->connected() && timers_.now() >= settled_at_;
}

Task<std::size_t> Sweeper::expire_in_store() {
  Store& store = *swept_.store;
  auto locked = co_await store.lock_sweep(scope_, pause_ * lock_rounds);
  if (!locked || !*locked) co_return 0;
  std::size_t ended = 0;
  bool more = true;
  while (more && ended < limits::expired_per_sweep_max) {
    auto expired = co_await store.take_expired(scope_, limits::store_expired_batch);
    if (!expired) break;
    more = expired->size() == limits::store_expired_batch;
    for (StoredRecord& record : *expired) {
      if (is_used_here(record)) continue;
      ++ended;
      if (record.place.protocol == endpoint_protocol) continue;
      const auto view = swept_.pool.view();
      end(view->find(record.owner), record.id, facts_of(record, *view));
    }
  }
  const auto unlocked = co_await store.unlock_sweep(scope_);
  static_cast<void>(unlocked);  // else the lock ends by itself
  co_return ended;
}

// The store was wrong about it, because its clock was set or its data restored: it is told again.
bool Sweeper::is_used_here(const StoredRecord& record) {
  const bool endpoint = record.place.protocol == endpoint_protocol;
  Directory& directory = endpoint ? swept_.endpoint_sessions : swept_.sessions;
  const auto info = directory.look(record.id, timers_.now());
  if (!info || info->in_flight + info->streams == 0) return false;
  directory.mark_not_stored(record.id);
  return true;
}

void Sweeper::end(cluster::Backend* owner, std::string_view id, Facts facts) {
  if (owner == nullptr || !swept_.settings.delete_on_expiry) return;
  std::string session = std::move(facts.backend_session);
  if (session.empty()) {
    session = swept_.id_at_backend ? swept_.id_at_backend(id) : std::string(id);
  }
  farewells_.say(*owner, std::move(session), std::move(facts.place));
}

}  // namespace mcplb::session
