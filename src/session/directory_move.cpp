// The part of the directory that sessions need to move: what it takes to open them again, claims,
// and whose they are. Off the hot path.
#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/session/directory.hpp"

#include "session/openings.hpp"

namespace mcplb::session {

Directory::Extra& Directory::extra_of(Entry& entry) {
  if (entry.extra == nullptr) entry.extra = std::make_unique<Extra>();
  return *entry.extra;
}

void Directory::reset_extras(Entry& entry) {
  entry.extra.reset();
  openings_->let_go(std::exchange(entry.opening, 0));
}

// For holders of the shard's lock; the owners' counts are the caller's.
void Directory::set_owner(Entry& entry, const Facts& facts) {
  entry.owner = facts.owner;
  entry.generation = facts.generation;
  if (!facts.backend_session.empty()) {
    extra_of(entry).backend_session = std::make_shared<const std::string>(facts.backend_session);
  } else if (entry.extra != nullptr) {
    entry.extra->backend_session.reset();
  }
}

void Directory::set_opening(std::string_view id, mcp::Opening opening) {
  keep_opening(id, std::move(opening));
}

void Directory::add_result(std::string_view id, const mcp::InitializeResult& result) {
  const auto replay = replay_of(id);
  if (!replay || replay->opening == nullptr) return;
  mcp::Opening opening = *replay->opening;
  opening.protocol = result.protocol;
  opening.capabilities = result.capabilities;
  keep_opening(id, std::move(opening));
  set_protocol(id, result.protocol);
}

// Not under the shard's lock: a text is hashed, and may be copied.
void Directory::keep_opening(std::string_view id, mcp::Opening opening) {
  const std::uint32_t number = openings_->keep(std::move(opening));
  std::uint32_t unused = number;
  change(id, [&unused](Entry& entry) {
    unused = std::exchange(entry.opening, unused);
    if (unused != entry.opening) entry.stored_s = 0;
  });
  openings_->let_go(unused);
}

void Directory::note_journal(std::string_view id, mcp::Method method, std::string_view body) {
  const auto replay = replay_of(id);
  if (!replay) return;
  mcp::Journal scratch = replay->journal;
  if (!mcp::journal_note(scratch, method, body)) return;  // most say nothing new
  std::string gone;
  if (method == mcp::Method::resources_unsubscribe) gone = mcp::subscription_uri(body);
  change(id, [&](Entry& entry) {
    Extra& extra = extra_of(entry);
    mcp::journal_note(extra.journal, method, body);
    if (!gone.empty() && extra.unsubscribed.size() < limits::session_subscriptions_max) {
      extra.unsubscribed.push_back(std::move(gone));
    }
    entry.stored_s = 0;
  });
}

std::optional<Replay> Directory::replay_of(std::string_view id) const {
  const Shard& shard = shards_[shard_of(id)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found == shard.sessions.end() || found->second.forgotten) return std::nullopt;
  return replay_of(found->second);
}

Replay Directory::replay_of(const Entry& entry) const {
  Replay replay;
  replay.opening = openings_->get(entry.opening);
  if (entry.extra != nullptr) {
    replay.journal = entry.extra->journal;
    replay.unsubscribed = entry.extra->unsubscribed;
  }
  return replay;
}

void Directory::distrust(std::string_view id) {
  change(id, [this](Entry& entry) { entry.epoch = epoch_.load(std::memory_order_relaxed) - 1; });
}

MoveStart Directory::begin_move(std::string_view id, std::uint32_t generation_seen,
                                TimePoint now, std::uint32_t requests_max) {
  constexpr milliseconds lasts = limits::session_move + limits::session_move_grace;
  Shard& shard = shards_[shard_of(id)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found == shard.sessions.end() || found->second.forgotten) return MoveStart::gone;
  if (found->second.generation != generation_seen) return MoveStart::moved_already;
  std::erase_if(shard.moving, [now](const auto& claim) { return claim.second <= now; });
  const Entry& entry = found->second;
  const bool moving = shard.moving.contains(id);
  if (!moving && entry.open - entry.streams > requests_max) return MoveStart::in_use;
  const bool claimed = shard.moving.try_emplace(std::string(id), now + lasts.count()).second;
  return claimed ? MoveStart::started : MoveStart::in_progress;
}

bool Directory::finish_move(std::string_view id, const Facts& now_owned) {
  bool moved = false;
  change(id, [&](Entry& entry) {
    if (now_owned.generation <= entry.generation) return;
    count(entry.owner, -1);
    count(now_owned.owner, 1);
    set_owner(entry, now_owned);
    entry.epoch = epoch_.load(std::memory_order_relaxed);
    entry.stored_s = 0;
    entry.move_untold = true;
    entry.streamed = false;
    moved = true;
  });
  abandon_move(id);
  return moved;
}

void Directory::abandon_move(std::string_view id) {
  Shard& shard = shards_[shard_of(id)];
  const std::lock_guard lock(shard.mutex);
  const auto claim = shard.moving.find(id);
  if (claim != shard.moving.end()) shard.moving.erase(claim);
}

std::vector<OwnedSession> Directory::owned_by(BackendId owner, std::size_t max, bool unused_only,
                                              OwnedMark& from) const {
  constexpr std::size_t buckets_per_lock = 256;
  std::vector<OwnedSession> found;
  from.at_end = false;
  std::size_t looked_at = 0;
  while (found.size() < max && looked_at < limits::owned_buckets_per_look && !from.at_end) {
    const Shard& shard = shards_[from.shard];
    const std::lock_guard lock(shard.mutex);
    const std::size_t buckets = shard.sessions.bucket_count();
    const std::size_t end = std::min(from.bucket + buckets_per_lock, buckets);
    for (; from.bucket < end && found.size() < max; ++from.bucket, ++looked_at) {
      list_owned(shard.sessions, from.bucket, {owner, unused_only}, found);
    }
    if (from.bucket < buckets) continue;
    from.bucket = 0;
    from.shard = (from.shard + 1) % shards;
    from.at_end = from.shard == 0;
  }
  return found;
}

// A bucket is taken whole: it holds a handful at most, so `max` is passed by less than that.
void Directory::list_owned(const Map& sessions, std::size_t bucket, Wanted wanted,
                           std::vector<OwnedSession>& found) {
  for (auto at = sessions.begin(bucket); at != sessions.end(bucket); ++at) {
    const auto& [id, entry] = *at;
    const std::uint32_t requests = entry.open - entry.streams;
    if (entry.owner != wanted.owner || entry.forgotten) continue;
    if (wanted.unused_only && requests > 0) continue;
    found.push_back({id, entry.generation, requests, entry.streams});
  }
}

Directory::Counts& Directory::counts(BackendId owner) const {
  const auto index = static_cast<std::size_t>(owner);
  return counts_[index <= limits::backends_known_max ? index : 0];
}

OwnedCounts Directory::counts_of(BackendId owner) const {
  const Counts& here = counts(owner);
  return {here.sessions.load(std::memory_order_relaxed),
          here.streams.load(std::memory_order_relaxed)};
}

}  // namespace mcplb::session
