// Session → owner, in this process's memory: all that there is to know without a store, a cache
// with one. One table per pool and kind of session, for all workers: sharded, each shard behind
// its own short-held lock. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/hash.hpp"
#include "mcplb/base/ids.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/session/record.hpp"

namespace mcplb::session {

class Directory;

// While it lives the session has a request or stream open and does not expire.
class SessionUse {
 public:
  SessionUse() = default;
  SessionUse(SessionUse&& other) noexcept;
  SessionUse& operator=(SessionUse&& other) noexcept;
  SessionUse(const SessionUse&) = delete;
  SessionUse& operator=(const SessionUse&) = delete;
  ~SessionUse() { end(); }

  explicit operator bool() const { return directory_ != nullptr; }
  BackendId owner() const { return owner_; }
  // The store has not confirmed the owner since invalidations may have been missed.
  bool unverified() const { return unverified_; }
  // Nothing is to be gained by set_protocol().
  bool protocol_known() const { return protocol_known_; }
  // From here on this use is an open event stream.
  void becomes_stream();
  // The reply to this request is an event stream.
  void sends_events();
  // Who opened the session, as far as learn() was told.
  const mcp::Principal& principal() const { return principal_; }
  // What owner() calls the session, when it has moved; empty: what the client calls it. Good for
  // as long as this use lives.
  std::string_view backend_session() const {
    return backend_session_ == nullptr ? std::string_view() : *backend_session_;
  }
  // The client may know events of the present owner.
  bool streamed() const { return streamed_; }
  // The first use since the session has moved.
  bool first_since_move() const { return first_since_move_; }
  // Of the ownership that this use was told.
  std::uint32_t generation() const { return generation_; }
  void end();

 private:
  friend class Directory;
  Directory* directory_ = nullptr;
  std::size_t shard_ = 0;
  void* entry_ = nullptr;  // the directory's, kept for as long as it is in use
  BackendId owner_ = BackendId::none;
  std::uint32_t generation_ = 0;
  bool unverified_ = false;
  bool first_since_move_ = false;
  bool streamed_ = false;
  bool protocol_known_ = false;
  bool stream_ = false;
  mcp::Principal principal_;
  std::shared_ptr<const std::string> backend_session_;  // null: not moved
};

// One session as the admin API shows it.
struct SessionInfo {
  Facts facts;
  milliseconds idle{0};
  std::uint32_t in_flight = 0;
  std::uint32_t streams = 0;
};

struct ListedSession {
  std::string id;
  SessionInfo info;
};

// Where the next page of a directory's sessions begins. Says nothing about the ids before it.
struct PageMark {
  std::uint32_t shard = 0;
  std::uint64_t key = 0;
};

struct SessionsPage {
  std::vector<ListedSession> sessions;
  std::optional<PageMark> next;  // none: that was all
};

// A session of a backend that is to be emptied.
struct OwnedSession {
  std::string id;
  std::uint32_t generation = 0;
  std::uint32_t in_flight = 0;  // requests
  std::uint32_t streams = 0;
};

// Where the next look for a backend's sessions begins; at the end it begins anew.
struct OwnedMark {
  std::size_t shard = 0;
  std::size_t bucket = 0;
  bool at_end = false;  // the last look came to the end of the directory
};

// What is left of a backend's sessions here.
struct OwnedCounts {
  std::int64_t sessions = 0;
  std::int64_t streams = 0;  // that are open, to that backend
};

enum class MoveStart : std::uint8_t {
  started,        // the claim is the caller's, until finish_move() or abandon_move()
  in_progress,    // somebody else's
  moved_already,  // the directory knows another ownership than the caller has seen
  gone,           // no such session
  in_use          // by more requests than the caller may interrupt
};

class Directory {
 public:
  // `registry` outlives the directory: owners' session counts are kept there. Every use of a
  // session ends before the directory does.
  explicit Directory(cluster::Registry& registry);
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  enum class Learned : std::uint8_t {
    added,
    known,     // the same owner has it already, or facts of a higher generation replaced it
    conflict,  // live on another backend: nothing was changed
    refused    // empty, or longer than limits::session_id_bytes_max
  };
  // Remembers the owner of a session that a backend has just opened, or that was looked up. In use
  // at once: the use is handed out so that it cannot expire before its first request.
  enum class Believe : std::uint8_t {
    what_is_known,  // or what has a higher generation
    what_is_told    // by who knows better than this directory
  };
  Learned learn(std::string_view id, const Facts& facts, TimePoint now, SessionUse& use,
                Believe believe = Believe::what_is_known);
  // Finds the owner and marks the session in use; empty when the id is unknown.
  SessionUse begin_use(std::string_view id, TimePoint now);
  // Drops a session, also while it is in use.
  bool forget(std::string_view id);
  // The same, unless a stream of it is open; requests that still use it may finish.
  void forget_unless_streaming(std::string_view id);
  // The same, unless something still uses it.
  void forget_unused(std::string_view id);
  // Forgets sessions that had nothing open since `now - idle`, and returns them; at most
  // limits::expired_per_sweep_max, the others with the next sweep.
  std::vector<Record> expire(milliseconds idle, TimePoint now);
  std::size_t size() const;
  std::optional<SessionInfo> look(std::string_view id, TimePoint now) const;
  // At most `max` sessions from there on, in an order that holds for this process: going from page
  // to page shows each session that stays once, whatever comes and goes meanwhile. Looks through
  // one shard after the other, some sessions at a time.
  SessionsPage page(PageMark from, std::size_t max, TimePoint now) const;

  // The revision that the session's client and owner have agreed upon, when it was not known yet:
  // a date, at most limits::session_protocol_bytes_max. Anything else changes nothing.
  void set_protocol(std::string_view id, std::string_view protocol);

  // What it takes to open the session again, as far as it becomes known. An opening beyond
  // limits::session_opening_bytes_max, or for which there is no room, is not kept, and counted.
  void set_opening(std::string_view id, mcp::Opening opening);
  void add_result(std::string_view id, const mcp::InitializeResult& result);
  // A request that the owner has served well; `body` is a single JSON-RPC message.
  void note_journal(std::string_view id, mcp::Method method, std::string_view body);
  // Nothing for an unknown session.
  std::optional<Replay> replay_of(std::string_view id) const;

  // Claims a session for being moved. The claim ends by itself, limits::session_move and a grace
  // from `now`.
  // `requests_max`: of the session, those of the caller included. Who begins to use the session
  // later finds it being moved.
  MoveStart begin_move(std::string_view id, std::uint32_t generation_seen, TimePoint now,
                       std::uint32_t requests_max = UINT32_MAX);
  // The session is the new owner's: of `now_owned` its owner, generation and backend_session count.
  // Who uses it keeps the owner that he was told. False when nothing was changed: it is gone, or of
  // that generation or a higher one already. Ends the claim.
  bool finish_move(std::string_view id, const Facts& now_owned);
  void abandon_move(std::string_view id);

  // Sessions of that owner, or only those that no request uses (streams may be open): at most
  // `max` and a few more, in one bounded look through the directory. `from` is moved on. Each that
  // stays is seen once, unless the table grows meanwhile.
  std::vector<OwnedSession> owned_by(BackendId owner, std::size_t max, bool unused_only,
                                     OwnedMark& from) const;
  OwnedCounts counts_of(BackendId owner) const;
  // Null for BackendId::none.
  cluster::Backend* backend(BackendId id) const { return registry_.find(id); }

  // With a store in front of which this is a cache:
  // Every cached owner is to be confirmed on its next use.
  void distrust_all() { epoch_.fetch_add(1, std::memory_order_relaxed); }
  // This one's is.
  void distrust(std::string_view id);
  // The store agrees with what is cached.
  void confirm(std::string_view id);
  // Sessions that the store does not know, or not as recently seen as they were: at most `max` of
  // them, due when `interval` has passed since the last time. They count as stored from here on.
  std::vector<Record> due_for_store(milliseconds interval, TimePoint now, std::size_t max);
  void mark_stored(std::string_view id, TimePoint now);
  void mark_not_stored(std::string_view id);
  // Of due_for_store(): it could not be written.
  void give_back(const Record& record);

 private:
  friend class SessionUse;
  // What few sessions have.
  struct Extra {
    mcp::Principal principal;  // none: not bound
    std::shared_ptr<const std::string> backend_session;
    mcp::Journal journal;
    std::vector<std::string> unsubscribed;
  };
  struct Entry {
    BackendId owner = BackendId::none;
    std::uint32_t open = 0;  // uses, streams among them
    std::uint32_t streams = 0;
    std::uint32_t generation = 1;
    TimePoint last_seen = 0;
    std::uint32_t created_s = 0;
    std::uint32_t epoch = 0;     // of the directory, when the owner was last confirmed
    std::uint32_t stored_s = 0;  // when the store was last told; 0: never
    std::unique_ptr<Extra> extra;
    std::uint32_t opening = 0;    // in openings_; 0: not known
    std::uint16_t place = 0;      // in places_
    bool forgotten : 1 = false;       // dropped while in use; erased with the last use
    bool protocol_known : 1 = false;  // or not to be had: places_ is full
    bool move_untold : 1 = false;     // nobody has begun to use it since it moved
    bool streamed : 1 = false;        // the present owner has sent events to the client
  };
  using Map = std::unordered_map<std::string, Entry, StringHash, std::equal_to<>>;
  struct Shard {
    mutable std::mutex mutex;
    Map sessions;
    std::size_t forgotten = 0;  // of `sessions`
    // Sessions that somebody moves, until when that is believed.
    std::map<std::string, TimePoint, std::less<>> moving;
  };
  static constexpr std::size_t shards = 64;

  class Lowest;    // of the sessions of one shard: those of a page
  class Openings;  // that sessions share
  struct Counts {
    std::atomic<std::int64_t> sessions{0};
    std::atomic<std::int64_t> streams{0};
  };

  std::size_t shard_of(std::string_view id) const;
  static Extra& extra_of(Entry& entry);
  void reset_extras(Entry& entry);
  void set_owner(Entry& entry, const Facts& facts);
  void take_facts(Entry& entry, const Facts& facts, std::uint16_t place, Learned outcome);
  void keep_opening(std::string_view id, mcp::Opening opening);
  Replay replay_of(const Entry& entry) const;
  Counts& counts(BackendId owner) const;
  struct Wanted {
    BackendId owner;
    bool unused_only;
  };
  static void list_owned(const Map& sessions, std::size_t bucket, Wanted wanted,
                         std::vector<OwnedSession>& found);
  SessionInfo info_of(const Entry& entry, TimePoint now) const;
  bool list_some(const Shard& shard, TimePoint now, Lowest& lowest) const;
  void count(BackendId owner, int change);
  std::uint16_t intern(const Place& place);
  Place place_of(const Entry& entry) const;
  Facts facts_of(const Entry& entry) const;
  void expire_some(Shard& shard, std::size_t& bucket, TimePoint last_seen_max,
                   std::vector<Record>& expired);
  void end_use(SessionUse& use);
  void count_stream(SessionUse& use);
  void note_events(const SessionUse& use);
  // Calls `change(entry)` for a session that is known and not forgotten.
  template <class Change>
  void change(std::string_view id, Change change) {
    Shard& shard = shards_[shard_of(id)];
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.sessions.find(id);
    if (found != shard.sessions.end() && !found->second.forgotten) change(found->second);
  }
  // For holders of the shard's lock.
  SessionUse begin(std::size_t shard, Map::value_type& session, TimePoint now);
  void erase(Shard& shard, Map::iterator session);
  void make_room(Shard& shard);

  cluster::Registry& registry_;
  std::array<Shard, shards> shards_;
  std::atomic<std::uint32_t> epoch_{0};
  mutable std::mutex places_mutex_;
  std::deque<Place> places_{1};  // few, and never removed; the first stands for "not known"
  const std::unique_ptr<Openings> openings_;
  const std::unique_ptr<Counts[]> counts_;  // by owner
  const std::uint64_t page_key_;  // of the order of pages: it tells nothing about ids
  std::size_t due_shard_ = 0;     // where the next look for due sessions begins; control loop only
};

}  // namespace mcplb::session
