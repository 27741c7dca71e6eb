// Finds the owner of a session that this process does not know, or no longer trusts itself to
// know: the store says it first, then, where that is allowed, the backends are asked. Requests for
// the same session with the same credentials share one look-up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/intrusive_list.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/net/timers.hpp"
#include "mcplb/session/ask.hpp"
#include "mcplb/session/directory.hpp"
#include "mcplb/session/events.hpp"
#include "mcplb/session/settings.hpp"
#include "mcplb/session/store.hpp"

namespace mcplb::session {

// One pool as look-ups see it. Owned by the worker's pool, and as long-lived.
struct LookupScope {
  cluster::Dispatcher& dispatcher;
  const Settings& settings;
  const StoreScope& store;
  EventCounts& events;
};

struct LookupQuery {
  std::string session;             // as the client calls it
  Directory* directory = nullptr;  // where the answer is learned; it outlives the look-up
  bool known_here = false;         // the directory names an owner, which may be outdated
  bool may_ask = false;            // the backends know the session by this id, and by a header
  Question question;               // for the backends; its session need not be set
};

struct LookupResult {
  enum class Outcome : std::uint8_t {
    owner,              // in the directory now
    unknown,            // nobody's
    anywhere,           // any backend will do, and nothing is to be remembered
    only_backend,       // there is one backend: it knows best
    forbidden,          // `refusal` is for the client
    owner_unavailable,  // one that is silent may be the owner
    store_unavailable   // the store may know it, and nobody else does
  };
  Outcome outcome = Outcome::unknown;
  Refusal refusal;
};

// Owned by a worker, used on its loop only.
class Lookup {
 public:
  // All outlive the look-up, but `nursery`, which may die first. `store` is null without one.
  Lookup(net::Timers& timers, Nursery& nursery, Asker& asker, Store* store);
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  // Whether find() could say anything but `unknown`.
  bool may_know(const LookupScope& scope, bool may_ask) const;
  Task<LookupResult> find(const LookupScope& scope, LookupQuery query);

 private:
  class Running;
  class Waiter;
  // Where it is learned, session, credentials.
  using Key = std::tuple<const Directory*, std::string, std::string>;

  enum class Stored : std::uint8_t { owner, deleted, absent, away };
  Task<LookupResult> look_up(const LookupScope& scope, LookupQuery query);
  Task<Stored> look_in_store(const LookupScope& scope, const LookupQuery& query);
  Task<LookupResult> ask(const LookupScope& scope, const LookupQuery& query);
  Task<Answer> ask_in_turn(const LookupScope& scope, const LookupQuery& query);
  void remember(const LookupQuery& query, const Facts& facts);
  bool take_permit();
  bool was_unknown(std::string_view session) const;
  void note_unknown(std::string_view session);

  net::Timers& timers_;
  Nursery& nursery_;
  Asker& asker_;
  Store* const store_;
  std::map<Key, Running*> running_;
  std::unordered_map<std::uint64_t, TimePoint> unknown_;  // hashes of ids, until when
  const std::uint64_t unknown_key_;
  std::int64_t permits_;  // askings that may begin now
  TimePoint permits_at_;
};

}  // namespace mcplb::session
