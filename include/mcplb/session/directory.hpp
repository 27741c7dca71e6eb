// Session → owner, in this process's memory. One table per pool and kind of session, for all
// workers: sharded, each shard behind its own short-held lock. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/hash.hpp"
#include "mcplb/base/ids.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/mcp/principal.hpp"

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
  // Who opened the session, as far as learn() was told.
  const mcp::Principal& principal() const { return principal_; }
  void end();

 private:
  friend class Directory;
  Directory* directory_ = nullptr;
  std::size_t shard_ = 0;
  void* entry_ = nullptr;  // the directory's, kept for as long as it is in use
  BackendId owner_ = BackendId::none;
  mcp::Principal principal_;
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
    known,     // the same owner has it already
    conflict,  // live on another backend: nothing was changed
    refused    // empty, or longer than limits::session_id_bytes_max
  };
  // What is known of a session when it is learned.
  struct Origin {
    BackendId owner = BackendId::none;
    mcp::Principal principal;  // none: sessions of this pool are not bound

    Origin(BackendId by) : owner(by) {}
    Origin(BackendId by, const mcp::Principal& opened_by) : owner(by), principal(opened_by) {}
  };
  // Remembers the owner of a session that a backend has just opened. In use at once: the use is
  // handed out so that it cannot expire before its first request.
  Learned learn(std::string_view id, const Origin& origin, TimePoint now, SessionUse& use);
  // Finds the owner and marks the session in use; empty when the id is unknown.
  SessionUse begin_use(std::string_view id, TimePoint now);
  // Drops a session, also while it is in use.
  void forget(std::string_view id);
  // The same, unless something still uses it.
  void forget_unused(std::string_view id);
  // Forgets sessions that had nothing open since `now - idle`. Returns how many.
  std::size_t expire(milliseconds idle, TimePoint now);
  std::size_t size() const;

 private:
  friend class SessionUse;
  struct Entry {
    BackendId owner = BackendId::none;
    std::uint32_t open : 31 = 0;      // uses
    std::uint32_t forgotten : 1 = 0;  // dropped while in use; erased with the last use
    TimePoint last_seen = 0;
    std::unique_ptr<const mcp::Principal> principal;  // null: not bound

    void open_by(const Origin& origin);
  };
  using Map = std::unordered_map<std::string, Entry, StringHash, std::equal_to<>>;
  struct Shard {
    mutable std::mutex mutex;
    Map sessions;
    std::size_t forgotten = 0;  // of `sessions`
  };
  static constexpr std::size_t shards = 64;

  std::size_t shard_of(std::string_view id) const;
  void count(BackendId owner, int change);
  std::size_t expire_some(Shard& shard, std::size_t& bucket, TimePoint last_seen_max);
  void end_use(std::size_t shard, void* session);
  // For holders of the shard's lock.
  SessionUse begin(std::size_t shard, Map::value_type& session, TimePoint now);
  void erase(Shard& shard, Map::iterator session);
  void make_room(Shard& shard);

  cluster::Registry& registry_;
  std::array<Shard, shards> shards_;
};

}  // namespace mcplb::session
