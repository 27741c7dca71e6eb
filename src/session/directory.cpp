#include "mcplb/session/directory.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/random.hpp"

namespace mcplb::session {
namespace {

// Instead of a bucket's number: there is none left.
constexpr std::size_t swept = std::numeric_limits<std::size_t>::max();

}  // namespace

SessionUse::SessionUse(SessionUse&& other) noexcept
    : directory_(std::exchange(other.directory_, nullptr)),
      shard_(other.shard_),
      entry_(other.entry_),
      owner_(other.owner_),
      principal_(other.principal_) {}

SessionUse& SessionUse::operator=(SessionUse&& other) noexcept {
  if (this == &other) return *this;
  end();
  directory_ = std::exchange(other.directory_, nullptr);
  shard_ = other.shard_;
  entry_ = other.entry_;
  owner_ = other.owner_;
  principal_ = other.principal_;
  return *this;
}

void SessionUse::end() {
  if (directory_ != nullptr) std::exchange(directory_, nullptr)->end_use(shard_, entry_);
}

Directory::Directory(cluster::Registry& registry) : registry_(registry) {}

Directory::~Directory() {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [id, entry] : shard.sessions) {
      MCPLB_ASSERT(entry.open == 0);  // A use that ends later would end in freed memory.
      count(entry.owner, -1);
    }
  }
}

void Directory::Entry::open_by(const Origin& origin) {
  owner = origin.owner;
  principal = origin.principal ? std::make_unique<const mcp::Principal>(origin.principal) : nullptr;
}

Directory::Learned Directory::learn(std::string_view id, const Origin& origin, TimePoint now,
                                    SessionUse& use) {
  if (id.empty() || id.size() > limits::session_id_bytes_max) return Learned::refused;
  SessionUse begun;
  Learned outcome = Learned::added;
  {
    const std::size_t index = shard_of(id);
    Shard& shard = shards_[index];
    const std::lock_guard lock(shard.mutex);
    auto found = shard.sessions.find(id);
    if (found == shard.sessions.end()) {
      if (shard.sessions.size() >= limits::sessions_max / shards) make_room(shard);
      found = shard.sessions.try_emplace(std::string(id)).first;
      found->second.open_by(origin);
      count(origin.owner, 1);
    } else if (found->second.forgotten == 1) {
      // Whoever still uses it keeps the owner that he was told; new requests go to the new one.
      found->second.forgotten = 0;
      --shard.forgotten;
      found->second.open_by(origin);
      count(origin.owner, 1);
    } else {
      // Who opened it first stays the one that it answers to.
      if (found->second.owner != origin.owner) return Learned::conflict;
      outcome = Learned::known;
    }
    begun = begin(index, *found, now);
  }
  // Outside the lock: what `use` held before may live in the same shard.
  use = std::move(begun);
  return outcome;
}

SessionUse Directory::begin_use(std::string_view id, TimePoint now) {
  const std::size_t index = shard_of(id);
  Shard& shard = shards_[index];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found == shard.sessions.end() || found->second.forgotten == 1) return {};
  return begin(index, *found, now);
}

SessionUse Directory::begin(std::size_t shard, Map::value_type& session, TimePoint now) {
  Entry& entry = session.second;
  entry.open = entry.open + 1;
  entry.last_seen = std::max(entry.last_seen, now);
  SessionUse use;
  use.directory_ = this;
  use.shard_ = shard;
  use.entry_ = &session;
  use.owner_ = entry.owner;
  if (entry.principal != nullptr) use.principal_ = *entry.principal;
  return use;
}

void Directory::end_use(std::size_t index, void* session) {
  auto& [id, entry] = *static_cast<Map::value_type*>(session);
  Shard& shard = shards_[index];
  const TimePoint now = monotonic_ms();
  const std::lock_guard lock(shard.mutex);
  MCPLB_ASSERT(entry.open > 0);
  entry.open = entry.open - 1;
  entry.last_seen = std::max(entry.last_seen, now);
  if (entry.open > 0 || entry.forgotten == 0) return;
  --shard.forgotten;
  shard.sessions.erase(shard.sessions.find(id));
}

void Directory::forget(std::string_view id) {
  Shard& shard = shards_[shard_of(id)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found == shard.sessions.end() || found->second.forgotten == 1) return;
  if (found->second.open == 0) {
    erase(shard, found);
    return;
  }
  count(found->second.owner, -1);
  found->second.forgotten = 1;
  ++shard.forgotten;
}

void Directory::forget_unused(std::string_view id) {
  Shard& shard = shards_[shard_of(id)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found != shard.sessions.end() && found->second.open == 0) erase(shard, found);
}

std::size_t Directory::expire(milliseconds idle, TimePoint now) {
  const TimePoint last_seen_max = now - idle.count();
  std::size_t expired = 0;
  for (Shard& shard : shards_) {
    std::size_t bucket = 0;
    while (bucket != swept)
      expired += expire_some(shard, bucket, last_seen_max);
  }
  return expired;
}

// Some buckets at a time, because requests wait for the lock. A table that grows in between may
// hide a session until the next sweep.
std::size_t Directory::expire_some(Shard& shard, std::size_t& bucket, TimePoint last_seen_max) {
  constexpr std::size_t buckets_max = 256;
  std::size_t expired = 0;
  const std::lock_guard lock(shard.mutex);
  Map& sessions = shard.sessions;
  const std::size_t end = std::min(bucket + buckets_max, sessions.bucket_count());
  for (; bucket < end; ++bucket) {
    for (auto at = sessions.begin(bucket); at != sessions.end(bucket);) {
      const auto& [id, entry] = *at;
      ++at;
      if (entry.open > 0 || entry.last_seen > last_seen_max) continue;
      erase(shard, sessions.find(id));
      ++expired;
    }
  }
  if (bucket >= sessions.bucket_count()) bucket = swept;
  return expired;
}

std::size_t Directory::size() const {
  std::size_t total = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    total += shard.sessions.size() - shard.forgotten;
  }
  return total;
}

// The table itself uses the low bits of the same hash.
std::size_t Directory::shard_of(std::string_view id) const {
  return hash64(id) >> 58;
}

void Directory::count(BackendId owner, int change) {
  cluster::Backend* const backend = registry_.find(owner);
  if (backend != nullptr) backend->add_session(change);
}

// `session` is not in use, and so not forgotten either.
void Directory::erase(Shard& shard, Map::iterator session) {
  count(session->second.owner, -1);
  shard.sessions.erase(session);
}

// A sample instead of an order by age: that would cost every session two pointers and every
// request a write. Sessions in use stay, and as many are in use as connections are open.
void Directory::make_room(Shard& shard) {
  constexpr std::size_t buckets_max = 64;
  constexpr std::size_t sample_max = 16;
  count_limit_hit(Limit::sessions);
  const Map& sessions = shard.sessions;
  const std::size_t buckets = sessions.bucket_count();
  const std::size_t start = random64() % buckets;
  const Map::value_type* oldest = nullptr;
  std::size_t sampled = 0;
  for (std::size_t i = 0; i < std::min(buckets, buckets_max) && sampled < sample_max; ++i) {
    const std::size_t bucket = (start + i) % buckets;
    for (auto at = sessions.begin(bucket); at != sessions.end(bucket); ++at) {
      if (at->second.open > 0) continue;
      ++sampled;
      if (oldest == nullptr || at->second.last_seen < oldest->second.last_seen) oldest = &*at;
    }
  }
  if (oldest != nullptr) erase(shard, shard.sessions.find(oldest->first));
}

}  // namespace mcplb::session
