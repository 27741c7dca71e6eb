#include "mcplb/session/lookup.hpp"

#include <algorithm>
#include <coroutine>
#include <tuple>
#include <utility>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/random.hpp"

#include "mcplb/session/stored_facts.hpp"

namespace mcplb::session {

using Outcome = LookupResult::Outcome;

// One request that waits for a look-up. Lives in the request's frame; unlinks itself when the
// request ends first.
class Lookup::Waiter final : public ListNode {
 public:
  bool await_ready() const { return result.has_value(); }
  void await_suspend(std::coroutine_handle<> waiting) { waiting_ = waiting; }
  void await_resume() const {}
  void complete(const LookupResult& found) {
    result = found;
    if (waiting_) waiting_.resume();
  }

  std::optional<LookupResult> result;

 private:
  std::coroutine_handle<> waiting_;
};

// Goes on when the request that began it has left: others may have joined.
class Lookup::Running final : public Job {
 public:
  Running(Lookup& lookup, const LookupScope& scope, Key key, LookupQuery query)
      : lookup_(lookup), scope_(scope), key_(std::move(key)), query_(std::move(query)) {}
  ~Running() override { leave(); }

  void join(Waiter& waiter) { waiters_.push_back(waiter); }

 private:
  Task<void> run() override {
    auto result = co_await lookup_.look_up(scope_, std::move(query_));
    leave();
    while (!waiters_.empty()) {
      Waiter& waiter = waiters_.front();
      waiter.unlink();
      waiter.complete(result);
    }
  }
  void leave() {
    const auto found = lookup_.running_.find(key_);
    if (found != lookup_.running_.end() && found->second == this) lookup_.running_.erase(found);
  }

  Lookup& lookup_;
  const LookupScope& scope_;
  const Key key_;
  LookupQuery query_;
  IntrusiveList<Waiter> waiters_;
};

Lookup::Lookup(net::Timers& timers, Nursery& nursery, Asker& asker, Store* store)
    : timers_(timers),
      nursery_(nursery),
      asker_(asker),
      store_(store),
      unknown_key_(secret_random64()),
      permits_(limits::asks_burst),
      permits_at_(timers.now()) {}

Lookup::~Lookup() = default;

bool Lookup::may_know(const LookupScope& scope, bool may_ask) const {
  if (store_ != nullptr) return true;
  const OnUnknown then = scope.settings.on_unknown;
  return then == OnUnknown::forward || (then == OnUnknown::ask && may_ask);
}

Task<LookupResult> Lookup::find(const LookupScope& scope, LookupQuery query) {
  Key key(query.directory, query.session, query.question.authorization);
  Waiter waiter;
  const auto running = running_.find(key);
  if (running != running_.end()) {
    running->second->join(waiter);
  } else {
    auto job = std::make_unique<Running>(*this, scope, key, std::move(query));
    job->join(waiter);
    running_.emplace(std::move(key), job.get());
    nursery_.spawn(std::move(job));
  }
  co_await waiter;
  co_return std::move(*waiter.result);
}

Task<LookupResult> Lookup::look_up(const LookupScope& scope, LookupQuery query) {
  bool store_is_away = false;
  if (store_ != nullptr) {
    auto stored = co_await look_in_store(scope, query);
    if (stored == Stored::owner) co_return LookupResult{Outcome::owner, {}};
    if (stored == Stored::deleted) co_return LookupResult{Outcome::unknown, {}};
    store_is_away = stored == Stored::away;
    // Absence decides nothing: what is known here is written again, now or when that is possible.
    if (stored == Stored::absent && query.known_here) {
      query.directory->mark_not_stored(query.session);
      query.directory->confirm(query.session);
    }
  }
  if (query.known_here) co_return LookupResult{Outcome::owner, {}};
  LookupResult result;
  if (scope.settings.on_unknown == OnUnknown::forward) {
    result.outcome = Outcome::anywhere;
  } else if (scope.settings.on_unknown == OnUnknown::ask && query.may_ask) {
    auto answer = co_await ask(scope, query);
    result = std::move(answer);
  }
  if (result.outcome == Outcome::unknown && store_is_away) {
    result.outcome = Outcome::store_unavailable;
  }
  co_return result;
}

Task<Lookup::Stored> Lookup::look_in_store(const LookupScope& scope, const LookupQuery& query) {
  std::string id = query.session;
  auto found = co_await store_->find(scope.store, std::move(id));
  if (!found) co_return Stored::away;
  if (found->state == Store::Found::State::absent) co_return Stored::absent;
  if (found->state == Store::Found::State::deleted) {
    query.directory->forget(query.session);
    co_return Stored::deleted;
  }
  // A record that is older than what is known here is of a store whose data was restored. It is
  // put right like one that is absent.
  const auto known = query.directory->look(query.session, timers_.now());
  const bool outdated = known && known->facts.generation > found->record.generation;
  if (outdated && query.known_here) co_return Stored::absent;
  // An owner that is not configured here stays unknown to the directory as `none`: the session is
  // lost for this balancer, and the caller says so.
  remember(query, facts_of(found->record, scope.dispatcher.view()));
  // What was known here may hold more than what the store was told.
  if (!query.known_here) query.directory->mark_stored(query.session, timers_.now());
  co_return Stored::owner;
}

void Lookup::remember(const LookupQuery& query, const Facts& facts) {
  SessionUse use;
  // Whoever was asked is right, when the directory is not.
  query.directory->learn(query.session, facts, timers_.now(), use,
                         Directory::Believe::what_is_told);
}

Task<LookupResult> Lookup::ask(const LookupScope& scope, const LookupQuery& query) {
  LookupResult result;
  if (scope.dispatcher.view().backends.size() == 1) {
    result.outcome = Outcome::only_backend;
    co_return result;
  }
  if (was_unknown(query.session)) co_return result;
  auto answer = co_await ask_in_turn(scope, query);
  switch (answer.outcome) {
    case Answer::Outcome::owner: {
      ++permits_;  // nobody made this id up, and after a restart there may be thousands of them
      Facts facts{answer.owner};
      facts.place = {query.question.target.substr(0, query.question.target.find('?')),
                     query.question.host, query.question.protocol_version};
      remember(query, facts);
      result.outcome = Outcome::owner;
      log::event(LogLevel::info, "session_found", "pool", scope.store.pool, "session",
                 hashed_for_log(query.session), "how", "asked");
      break;
    }
    case Answer::Outcome::shared: result.outcome = Outcome::anywhere; break;
    case Answer::Outcome::unknown: note_unknown(query.session); break;
    case Answer::Outcome::forbidden:
      result.outcome = Outcome::forbidden;
      result.refusal = std::move(answer.refusal);
      break;
    case Answer::Outcome::unavailable:
    case Answer::Outcome::overloaded: result.outcome = Outcome::owner_unavailable; break;
  }
  co_return result;
}

// After a restart many sessions are asked for at once: those beyond the bound wait for their turn.
Task<Answer> Lookup::ask_in_turn(const LookupScope& scope, const LookupQuery& query) {
  const Deadline patience = timers_.in(limits::ask_time);
  while (!patience.passed(timers_.now())) {
    if (take_permit()) {
      Question question = query.question;
      question.session = query.session;
      scope.events.add(Event::asked);
      auto answer = co_await asker_.ask(scope.dispatcher, std::move(question));
      if (answer.outcome != Answer::Outcome::overloaded) co_return answer;
      ++permits_;
    }
    const Deadline next = timers_.in(limits::ask_turn);
    co_await timers_.sleep(next);
  }
  count_limit_hit(Limit::asks_rate);
  Answer nobody_was_asked;
  nobody_was_asked.outcome = Answer::Outcome::overloaded;
  co_return nobody_was_asked;
}

// A bucket that fills at a steady rate: ids that somebody makes up must not make every backend
// busy with pings.
bool Lookup::take_permit() {
  const TimePoint now = timers_.now();
  const std::int64_t earned = (now - permits_at_) * limits::asks_per_second / 1000;
  if (earned > 0) {
    permits_ = std::min<std::int64_t>(limits::asks_burst, permits_ + earned);
    permits_at_ = now;
  }
  if (permits_ == 0) return false;
  --permits_;
  return true;
}

bool Lookup::was_unknown(std::string_view session) const {
  const auto found = unknown_.find(hash64(session, unknown_key_));
  return found != unknown_.end() && timers_.now() < found->second;
}

void Lookup::note_unknown(std::string_view session) {
  const TimePoint now = timers_.now();
  if (unknown_.size() >= limits::unknown_sessions_kept) {
    std::erase_if(unknown_, [now](const auto& entry) { return entry.second <= now; });
  }
  if (unknown_.size() >= limits::unknown_sessions_kept) unknown_.clear();
  unknown_[hash64(session, unknown_key_)] = now + limits::unknown_session_kept_for.count();
}

}  // namespace mcplb::session
