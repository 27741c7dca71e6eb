#include "session/move_flight.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/session/farewells.hpp"
#include "mcplb/session/stored_facts.hpp"

namespace mcplb::session {
namespace {

using Outcome = MoveResult::Outcome;

MoveResult result_of(Outcome outcome, const char* why) { return {outcome, {}, why}; }

// Counts a DELETE that waits or is under way.
class GoodbyeCount {
 public:
  explicit GoodbyeCount(std::size_t& count) : count_(&count) { ++*count_; }
  GoodbyeCount(GoodbyeCount&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  GoodbyeCount& operator=(GoodbyeCount&&) = delete;
  ~GoodbyeCount() {
    if (count_ != nullptr) --*count_;
  }

 private:
  std::size_t* count_;  // the mover's, which outlives the nursery's flows
};

struct Waits {
  net::Timers& timers;
  Deadline begin;
  GoodbyeCount count;
};

// Best effort: the server has a session timeout of its own.
Task<void> end_session(std::unique_ptr<Connecting> own, Asker::Connector* given,
                       cluster::Backend& backend, Deletion deletion, Waits waits) {
  co_await waits.timers.sleep(waits.begin);
  const Deadline deadline = waits.timers.in(limits::farewell);
  Asker::Connector& connector = given != nullptr ? *given : *own;
  auto connected = co_await connector.connect(backend, deadline);
  if (!connected) co_return;
  cluster::Lease lease = std::move(*connected);
  const auto status = co_await delete_session(*lease->stream, std::move(deletion), deadline);
  static_cast<void>(status);
}

Task<void> unlock(Store& store, const StoreScope& scope, std::string id, std::string token) {
  const auto unlocked = co_await store.unlock_move(scope, std::move(id), std::move(token));
  static_cast<void>(unlocked);  // else the lock ends by itself
}

}  // namespace

Mover::Flight::Flight(Mover& mover, const LookupScope& scope, MoveQuery query, Deadline deadline)
    : mover_(mover),
      scope_(scope),
      query_(std::move(query)),
      deadline_(deadline),
      begun_(mover.timers_.now()),
      connecting_(scope.dispatcher) {
  ++mover_.moving_;
}

Mover::Flight::~Flight() { release(); }

void Mover::Flight::release() {
  if (!std::exchange(claimed_, false)) return;
  directory().abandon_move(query_.session);
  --mover_.moving_;
}

Task<void> Mover::Flight::run() {
  auto result = co_await attempt();
  release();
  if (locked_) {
    mover_.nursery_.spawn(unlock(*mover_.store_, scope_.store, query_.session, token_));
  }
  count(result);
  while (!waiters_.empty()) {
    MoveWaiter& waiter = waiters_.front();
    waiter.unlink();
    waiter.complete(std::move(result));
  }
}

Task<MoveResult> Mover::Flight::attempt() {
  const auto info = directory().look(query_.session, mover_.timers_.now());
  if (!info) co_return result_of(Outcome::lost, "it was deleted meanwhile");
  facts_ = info->facts;
  if (facts_.owner != query_.from || facts_.generation != query_.generation) {
    co_return result_of(Outcome::moved, "another owner is known");
  }
  how_ = {query_.target, query_.host, query_.fields, {}, facts_.place.protocol};
  if (auto replay = directory().replay_of(query_.session)) how_.replay = std::move(*replay);
  if (mover_.store_ != nullptr) {
    auto early = co_await agree_with_store();
    if (early) co_return std::move(*early);
  }
  if (how_.replay.opening == nullptr) {
    constexpr const char* why = "how it was opened is not known";
    if (store_is_away_) co_return result_of(Outcome::unavailable, why);
    co_return lose(why);
  }
  if (!how_.replay.opening->protocol.empty()) how_.protocol = how_.replay.opening->protocol;
  co_return co_await open_somewhere();
}

// Another balancer may have moved it, or may be about to. A store that is away stops nobody: the
// higher generation is right in the end.
Task<Mover::Flight::Early> Mover::Flight::agree_with_store() {
  Early early;
  auto goes_on = co_await lock(early);
  if (!goes_on) co_return early;
  std::string id = query_.session;
  auto loaded = co_await mover_.store_->load_replay(scope_.store, std::move(id));
  if (!loaded) {
    store_is_away_ = true;
    co_return std::nullopt;
  }
  early = read_record(loaded->state, loaded->record);
  if (!early && loaded->state == Store::Found::State::present) merge(loaded->record.replay);
  co_return early;
}

// True when the lock is ours. False when the attempt ends with `early`, or when the store is away.
Task<bool> Mover::Flight::lock(Early& early) {
  constexpr milliseconds hold = limits::session_move + limits::session_move_grace;
  Store& store = *mover_.store_;
  while (!deadline_.passed(mover_.timers_.now())) {
    std::string id = query_.session;
    std::string token = token_;
    auto locked = co_await store.lock_move(scope_.store, std::move(id), std::move(token), hold);
    locked_ = locked && *locked;
    store_is_away_ = !locked;
    if (locked_ || store_is_away_) co_return locked_;
    id = query_.session;
    auto found = co_await store.find(scope_.store, std::move(id));
    if (found) early = read_record(found->state, found->record);
    if (early) co_return false;
    const Deadline next = earlier(mover_.timers_.in(limits::session_move_poll), deadline_);
    co_await mover_.timers_.sleep(next);
  }
  early = result_of(Outcome::unavailable, "another balancer is moving it");
  co_return false;
}

// A record that is older than what is known here is of a store whose data was restored. An owner
// that is not configured here is one that is gone, for this balancer.
Mover::Flight::Early Mover::Flight::read_record(Store::Found::State state,
                                                const StoredRecord& record) {
  if (state == Store::Found::State::deleted) {
    directory().forget(query_.session);
    return result_of(Outcome::lost, "it was deleted meanwhile");
  }
  if (state == Store::Found::State::absent) return std::nullopt;
  const BackendId owner = facts_of(record, scope_.dispatcher.view()).owner;
  const bool elsewhere = record.generation == query_.generation && owner != BackendId::none &&
                         owner != query_.from;
  if (record.generation > query_.generation || elsewhere) return adopt(record);
  return std::nullopt;
}

MoveResult Mover::Flight::adopt(const StoredRecord& record) {
  adopted_ = true;
  const Facts facts = facts_of(record, scope_.dispatcher.view());
  const TimePoint now = mover_.timers_.now();
  SessionUse use;
  directory().learn(query_.session, facts, now, use, Directory::Believe::what_is_told);
  return result_of(Outcome::moved, "another balancer has moved it");
}

MoveResult Mover::Flight::lose(const char* why) {
  if (!query_.from_lives) directory().forget(query_.session);
  return result_of(Outcome::lost, why);
}

// Each balancer has seen a part of what the client has asked for; the store has what they wrote.
void Mover::Flight::merge(const Replay& stored) {
  Replay& here = how_.replay;
  const bool better = stored.opening != nullptr &&
                      (here.opening == nullptr || here.opening->capabilities.empty());
  if (better) here.opening = stored.opening;
  if (here.journal.set_level.empty()) here.journal.set_level = stored.journal.set_level;
  for (const std::string& uri : stored.journal.subscriptions) {
    const auto lists = [&uri](const std::vector<std::string>& uris) {
      return std::find(uris.begin(), uris.end(), uri) != uris.end();
    };
    if (lists(here.journal.subscriptions) || lists(here.unsubscribed)) continue;
    here.journal.subscriptions.push_back(uri);
  }
}

// The dispatcher's view ends with its next call, so this is a copy.
std::vector<cluster::Backend*> Mover::Flight::candidates() {
  const int cap = scope_.settings.max_per_backend;
  std::vector<cluster::Backend*> chosen;
  const auto add = [&](cluster::Backend* backend) {
    const bool full = cap > 0 && backend->sessions() >= cap;
    const bool left_out = full || chosen.size() == limits::tries_max;
    answers_.away = answers_.away || left_out;
    if (!left_out) chosen.push_back(backend);
  };
  for (cluster::Backend* backend : scope_.dispatcher.rank(hash64(query_.session))) {
    if (backend->id() != query_.from || query_.from_forgot) add(backend);
  }
  if (query_.from_lives) return chosen;
  // Checks may not have seen yet that one is back, nor that those above are gone.
  for (cluster::Backend* backend : scope_.dispatcher.view().backends) {
    const bool may_be_back = backend->mode() == cluster::Mode::active && !backend->healthy();
    if (may_be_back && backend->id() != query_.from) add(backend);
  }
  return chosen;
}

Task<MoveResult> Mover::Flight::open_somewhere() {
  const std::vector<cluster::Backend*> all = candidates();
  for (cluster::Backend* backend : all) {
    const Deadline until =
        earlier(deadline_, mover_.timers_.in(limits::session_move_try));
    auto opened = co_await reopen(connector(), *backend, how_, until);
    if (opened.outcome == Reopened::Outcome::opened) {
      co_return co_await settle(*backend, std::move(opened));
    }
    say_goodbye(*backend, std::move(opened.session), std::move(opened.protocol));
    if (opened.outcome == Reopened::Outcome::forbidden) {
      co_return MoveResult{Outcome::forbidden, std::move(opened.refusal), "other credentials"};
    }
    answers_.away |= opened.outcome == Reopened::Outcome::away;
    answers_.silent |= opened.outcome == Reopened::Outcome::silent;
    answers_.lesser |= opened.outcome == Reopened::Outcome::lesser;
  }
  if (answers_.silent) co_return result_of(Outcome::unavailable, "no backend answers");
  if (answers_.lesser && !answers_.away) co_return lose("no backend offers as much");
  co_return result_of(Outcome::no_backend, "no other backend is usable");
}

Task<MoveResult> Mover::Flight::settle(cluster::Backend& backend, Reopened opened) {
  // Its new owner must not be left again because checks have not seen yet that it is back.
  backend.health().note_opened(mover_.timers_.now());
  auto refused = co_await replay_journal(connector(), backend, how_, opened, deadline_);
  if (refused > 0) {
    log::event(LogLevel::warn, "session_state_refused", "pool", scope_.store.pool, "session",
               hashed_for_log(query_.session), "backend", backend.name(), "count", refused);
  }
  Facts now_owned = facts_;
  now_owned.owner = backend.id();
  now_owned.generation = query_.generation + 1;
  now_owned.backend_session = opened.session;
  if (mover_.store_ != nullptr && !store_is_away_) {
    StoredRecord record =
        stored_record({query_.session, now_owned, how_.replay}, backend.name());
    auto moved = co_await mover_.store_->move(scope_.store, std::move(record));
    using State = Store::Moved::State;
    if (moved && moved->state != State::done) {
      say_goodbye(backend, std::move(opened.session), std::move(opened.protocol));
      if (moved->state == State::other) co_return adopt(moved->record);
      directory().forget(query_.session);
      co_return result_of(Outcome::lost, "it was deleted meanwhile");
    }
  }
  if (!directory().finish_move(query_.session, now_owned)) {
    co_return co_await after_lost_race(backend, std::move(opened));
  }
  log_moved(backend);
  cluster::Backend* const from = directory().backend(query_.from);
  if (query_.from_lives && from != nullptr) {
    say_goodbye(*from, query_.at_backend, std::move(opened.protocol), goodbye_after());
  }
  co_return result_of(Outcome::moved, query_.from_lives ? "drain" : "owner gone");
}

// The directory knows it no longer, or knows better. What it no longer knows may only have been
// dropped here; the store says whether it is still somebody's.
Task<MoveResult> Mover::Flight::after_lost_race(cluster::Backend& backend, Reopened opened) {
  bool lives = directory().look(query_.session, mover_.timers_.now()).has_value();
  bool is_the_stored_one = false;
  if (!lives && mover_.store_ != nullptr && !store_is_away_) {
    std::string id = query_.session;
    auto found = co_await mover_.store_->find(scope_.store, std::move(id));
    is_the_stored_one = found && found->state == Store::Found::State::present &&
                        found->record.backend_session == opened.session;
    lives = is_the_stored_one;
  }
  if (!is_the_stored_one) {
    say_goodbye(backend, std::move(opened.session), std::move(opened.protocol));
  }
  if (lives) co_return result_of(Outcome::moved, "another owner is known");
  co_return result_of(Outcome::lost, "it was deleted meanwhile");
}

// A drained owner lives on: another balancer may have requests of the session there, and a stream
// of it goes elsewhere in its turn.
milliseconds Mover::Flight::goodbye_after() {
  const auto info = directory().look(query_.session, mover_.timers_.now());
  const bool in_use = mover_.store_ != nullptr || (info && info->streams > 0);
  return in_use ? scope_.dispatcher.view().settings.drain_timeout : milliseconds(0);
}

void Mover::Flight::say_goodbye(cluster::Backend& backend, std::string session,
                                std::string protocol, milliseconds after) {
  // Its name may come out of the store, where anybody may have written it.
  if (!mcp::is_session_id(session)) return;
  if (mover_.goodbyes_ >= limits::farewells_max) {
    count_limit_hit(Limit::farewells);
    return;
  }
  Deletion deletion;
  deletion.session = std::move(session);
  deletion.target = query_.target;
  deletion.host = query_.host.empty() ? backend.authority() : query_.host;
  deletion.protocol = std::move(protocol);
  deletion.lines = query_.fields;
  mover_.nursery_.spawn(end_session(std::make_unique<Connecting>(scope_.dispatcher),
                                    mover_.connector_, backend, std::move(deletion),
                                    Waits{mover_.timers_, mover_.timers_.in(after),
                                          GoodbyeCount(mover_.goodbyes_)}));
}

// That it is lost is for whoever says so to the client.
void Mover::Flight::count(const MoveResult& result) {
  switch (result.outcome) {
    case Outcome::moved: scope_.events.add(adopted_ ? Event::adopted : Event::moved); break;
    case Outcome::forbidden: scope_.events.add(Event::move_forbidden); break;
    case Outcome::lost:
    case Outcome::in_use: break;
    case Outcome::no_backend:
    case Outcome::unavailable: scope_.events.add(Event::move_failed); break;
  }
}

void Mover::Flight::log_moved(const cluster::Backend& to) const {
  const cluster::Backend* const from = directory().backend(query_.from);
  log::event(LogLevel::info, "session_moved", "pool", scope_.store.pool, "session",
             hashed_for_log(query_.session), "from", from == nullptr ? "" : from->name().c_str(),
             "to", to.name(), "generation", query_.generation + 1, "why",
             query_.from_lives ? "drain" : "owner_gone", "ms", mover_.timers_.now() - begun_);
}

}  // namespace mcplb::session
