#include "mcplb/session/directory.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/base/text.hpp"

#include "session/openings.hpp"

namespace mcplb::session {
namespace {

// Instead of a bucket's number: there is none left.
constexpr std::size_t swept = std::numeric_limits<std::size_t>::max();

// Of the monotonic clock, and never 0, which stands for "never".
std::uint32_t seconds_of(TimePoint time) { return static_cast<std::uint32_t>(time / 1000) + 1; }

// 2025-06-18, perhaps with something behind it.
bool is_revision(std::string_view text) {
  static constexpr std::string_view form = "dddd-dd-dd";
  if (text.size() < form.size() || text.size() > limits::session_protocol_bytes_max) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char expected = i < form.size() ? form[i] : '*';
    if (text[i] <= ' ' || text[i] > '~') return false;
    if (expected == 'd' && !is_digit(text[i])) return false;
    if (expected == '-' && text[i] != '-') return false;
  }
  return true;
}

}  // namespace

SessionUse::SessionUse(SessionUse&& other) noexcept
    : directory_(std::exchange(other.directory_, nullptr)),
      shard_(other.shard_),
      entry_(other.entry_),
      owner_(other.owner_),
      generation_(other.generation_),
      unverified_(other.unverified_),
      first_since_move_(other.first_since_move_),
      streamed_(other.streamed_),
      protocol_known_(other.protocol_known_),
      stream_(other.stream_),
      principal_(other.principal_),
      backend_session_(std::move(other.backend_session_)) {}

SessionUse& SessionUse::operator=(SessionUse&& other) noexcept {
  if (this == &other) return *this;
  end();
  directory_ = std::exchange(other.directory_, nullptr);
  shard_ = other.shard_;
  entry_ = other.entry_;
  owner_ = other.owner_;
  generation_ = other.generation_;
  unverified_ = other.unverified_;
  first_since_move_ = other.first_since_move_;
  streamed_ = other.streamed_;
  protocol_known_ = other.protocol_known_;
  stream_ = other.stream_;
  principal_ = other.principal_;
  backend_session_ = std::move(other.backend_session_);
  return *this;
}

void SessionUse::end() {
  if (directory_ == nullptr) return;
  directory_->end_use(*this);
  directory_ = nullptr;
}

void SessionUse::becomes_stream() {
  if (directory_ != nullptr && !stream_) directory_->count_stream(*this);
}

void SessionUse::sends_events() {
  if (directory_ != nullptr && !streamed_) directory_->note_events(*this);
}

Directory::Directory(cluster::Registry& registry)
    : registry_(registry),
      openings_(std::make_unique<Openings>()),
      counts_(std::make_unique<Counts[]>(limits::backends_known_max + 1)),
      page_key_(secret_random64()) {}

Directory::~Directory() {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [id, entry] : shard.sessions) {
      MCPLB_ASSERT(entry.open == 0);  // A use that ends later would end in freed memory.
      count(entry.owner, -1);
    }
  }
}

Directory::Learned Directory::learn(std::string_view id, const Facts& facts, TimePoint now,
                                    SessionUse& use, Believe believe) {
  if (id.empty() || id.size() > limits::session_id_bytes_max) return Learned::refused;
  const std::uint16_t place = intern(facts.place);
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
    } else if (found->second.forgotten) {
      // Whoever still uses it keeps the owner that he was told; new requests go to the new one.
      found->second.forgotten = false;
      --shard.forgotten;
    } else {
      const Entry& known = found->second;
      const bool moved = facts.generation > known.generation || believe == Believe::what_is_told;
      if (known.owner != facts.owner && !moved) return Learned::conflict;
      outcome = Learned::known;
    }
    take_facts(found->second, facts, place, outcome);
    begun = begin(index, *found, now);
    // Whoever learns of a move is not yet the one who tells the client.
    found->second.move_untold = std::exchange(begun.first_since_move_, false);
  }
  // Outside the lock: what `use` held before may live in the same shard.
  use = std::move(begun);
  return outcome;
}

// For holders of the shard's lock.
void Directory::take_facts(Entry& entry, const Facts& facts, std::uint16_t place,
                           Learned outcome) {
  const bool added = outcome == Learned::added;
  // Who has an older story to tell (a backend that was asked knows nothing of moves) is right about
  // the owner, and no more.
  const bool older = !added && facts.generation < entry.generation;
  if (!added && !older) count(entry.owner, -1);
  if (added) {
    // Who opened it first stays the one that it answers to.
    reset_extras(entry);
    entry.stored_s = 0;
    if (facts.principal) extra_of(entry).principal = facts.principal;
  }
  if (!older) {
    entry.move_untold = !added && facts.generation > entry.generation;
    entry.streamed = entry.streamed && !entry.move_untold && !added;
    count(facts.owner, 1);
    set_owner(entry, facts);
    entry.created_s = facts.created_s;
    entry.place = place;
    entry.protocol_known = !facts.place.protocol.empty();
  }
  entry.epoch = epoch_.load(std::memory_order_relaxed);
}

SessionUse Directory::begin_use(std::string_view id, TimePoint now) {
  const std::size_t index = shard_of(id);
  Shard& shard = shards_[index];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found == shard.sessions.end() || found->second.forgotten) return {};
  return begin(index, *found, now);
}

SessionUse Directory::begin(std::size_t shard, Map::value_type& session, TimePoint now) {
  Entry& entry = session.second;
  ++entry.open;
  entry.last_seen = std::max(entry.last_seen, now);
  SessionUse use;
  use.directory_ = this;
  use.shard_ = shard;
  use.entry_ = &session;
  use.owner_ = entry.owner;
  use.generation_ = entry.generation;
  use.unverified_ = entry.epoch != epoch_.load(std::memory_order_relaxed);
  use.protocol_known_ = entry.protocol_known;
  use.first_since_move_ = entry.move_untold;
  entry.move_untold = false;
  use.streamed_ = entry.streamed;
  if (entry.extra != nullptr) {
    use.principal_ = entry.extra->principal;
    use.backend_session_ = entry.extra->backend_session;
  }
  return use;
}

void Directory::end_use(SessionUse& use) {
  auto& [id, entry] = *static_cast<Map::value_type*>(use.entry_);
  Shard& shard = shards_[use.shard_];
  const TimePoint now = monotonic_ms();
  const std::lock_guard lock(shard.mutex);
  MCPLB_ASSERT(entry.open > 0);
  --entry.open;
  if (use.stream_) {
    --entry.streams;
    counts(use.owner_).streams.fetch_sub(1, std::memory_order_relaxed);
  }
  use.stream_ = false;
  entry.last_seen = std::max(entry.last_seen, now);
  if (entry.open > 0 || !entry.forgotten) return;
  --shard.forgotten;
  reset_extras(entry);
  shard.sessions.erase(shard.sessions.find(id));
}

void Directory::count_stream(SessionUse& use) {
  auto& [id, entry] = *static_cast<Map::value_type*>(use.entry_);
  const std::lock_guard lock(shards_[use.shard_].mutex);
  ++entry.streams;
  if (use.generation_ == entry.generation) entry.streamed = true;
  counts(use.owner_).streams.fetch_add(1, std::memory_order_relaxed);
  use.stream_ = true;
}

void Directory::note_events(const SessionUse& use) {
  auto& [id, entry] = *static_cast<Map::value_type*>(use.entry_);
  const std::lock_guard lock(shards_[use.shard_].mutex);
  if (use.generation_ == entry.generation) entry.streamed = true;
}

bool Directory::forget(std::string_view id) {
  Shard& shard = shards_[shard_of(id)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found == shard.sessions.end() || found->second.forgotten) return false;
  if (found->second.open == 0) {
    erase(shard, found);
    return true;
  }
  count(found->second.owner, -1);
  found->second.forgotten = true;
  ++shard.forgotten;
  return true;
}

void Directory::forget_unless_streaming(std::string_view id) {
  bool streaming = false;
  change(id, [&streaming](const Entry& entry) { streaming = entry.streams > 0; });
  if (!streaming) forget(id);
}

void Directory::forget_unused(std::string_view id) {
  Shard& shard = shards_[shard_of(id)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found != shard.sessions.end() && found->second.open == 0) erase(shard, found);
}

std::vector<Record> Directory::expire(milliseconds idle, TimePoint now) {
  const TimePoint last_seen_max = now - idle.count();
  std::vector<Record> expired;
  for (Shard& shard : shards_) {
    std::size_t bucket = 0;
    while (bucket != swept && expired.size() < limits::expired_per_sweep_max)
      expire_some(shard, bucket, last_seen_max, expired);
  }
  return expired;
}

// Some buckets at a time, because requests wait for the lock. A table that grows in between may
// hide a session until the next sweep.
void Directory::expire_some(Shard& shard, std::size_t& bucket, TimePoint last_seen_max,
                            std::vector<Record>& expired) {
  constexpr std::size_t buckets_max = 256;
  const std::lock_guard lock(shard.mutex);
  Map& sessions = shard.sessions;
  const std::size_t end = std::min(bucket + buckets_max, sessions.bucket_count());
  for (; bucket < end; ++bucket) {
    for (auto at = sessions.begin(bucket); at != sessions.end(bucket);) {
      const auto& [id, entry] = *at;
      ++at;
      if (entry.open > 0 || entry.last_seen > last_seen_max) continue;
      expired.push_back({id, facts_of(entry)});
      erase(shard, sessions.find(id));
    }
  }
  if (bucket >= sessions.bucket_count()) bucket = swept;
}

std::size_t Directory::size() const {
  std::size_t total = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    total += shard.sessions.size() - shard.forgotten;
  }
  return total;
}

std::optional<SessionInfo> Directory::look(std::string_view id, TimePoint now) const {
  const Shard& shard = shards_[shard_of(id)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(id);
  if (found == shard.sessions.end() || found->second.forgotten) return std::nullopt;
  return info_of(found->second, now);
}

SessionInfo Directory::info_of(const Entry& entry, TimePoint now) const {
  SessionInfo info;
  info.facts = facts_of(entry);
  if (entry.open == 0) info.idle = milliseconds(std::max<TimePoint>(0, now - entry.last_seen));
  info.in_flight = entry.open - entry.streams;
  info.streams = entry.streams;
  return info;
}

void Directory::confirm(std::string_view id) {
  change(id, [this](Entry& entry) { entry.epoch = epoch_.load(std::memory_order_relaxed); });
}

// Not under the shard's lock: interning looks through all places.
void Directory::set_protocol(std::string_view id, std::string_view protocol) {
  if (!is_revision(protocol)) return;
  const auto info = look(id, 0);
  if (!info || !info->facts.place.protocol.empty()) return;
  Place place = info->facts.place;
  place.protocol = protocol;
  const std::uint16_t index = intern(place);
  change(id, [index](Entry& entry) {
    entry.protocol_known = true;
    if (index == 0) return;
    entry.place = index;
    entry.stored_s = 0;
  });
}

void Directory::mark_stored(std::string_view id, TimePoint now) {
  change(id, [now](Entry& entry) { entry.stored_s = seconds_of(now); });
}

void Directory::give_back(const Record& record) {
  change(record.id, [&record](Entry& entry) {
    entry.stored_s = 0;
    const auto& uris = record.replay.unsubscribed;
    if (uris.empty()) return;
    Extra& extra = extra_of(entry);
    extra.unsubscribed.insert(extra.unsubscribed.begin(), uris.begin(), uris.end());
  });
}

void Directory::mark_not_stored(std::string_view id) {
  change(id, [](Entry& entry) { entry.stored_s = 0; });
}

std::vector<Record> Directory::due_for_store(milliseconds interval, TimePoint now,
                                             std::size_t max) {
  const std::uint32_t now_s = seconds_of(now);
  const auto interval_s = static_cast<std::uint32_t>(interval.count() / 1000);
  const auto is_due = [&](const Entry& entry) {
    if (entry.forgotten) return false;
    if (entry.stored_s == 0) return true;
    const bool seen_since = entry.open > 0 || seconds_of(entry.last_seen) > entry.stored_s;
    return seen_since && now_s - entry.stored_s >= interval_s;
  };
  std::vector<Record> due;
  for (std::size_t i = 0; i < shards && due.size() < max; ++i) {
    Shard& shard = shards_[due_shard_];
    const std::lock_guard lock(shard.mutex);
    for (auto& [id, entry] : shard.sessions) {
      if (due.size() == max) break;
      if (!is_due(entry)) continue;
      due.push_back({id, facts_of(entry), replay_of(entry), entry.stored_s != 0});
      if (entry.extra != nullptr) entry.extra->unsubscribed.clear();
      entry.stored_s = now_s;
    }
    if (due.size() < max) due_shard_ = (due_shard_ + 1) % shards;
  }
  return due;
}

// Called under a shard's lock or under none; nothing is locked under this one.
std::uint16_t Directory::intern(const Place& place) {
  const std::size_t bytes = place.path.size() + place.host.size() + place.protocol.size();
  if (bytes > limits::session_place_bytes_max) return 0;
  const std::lock_guard lock(places_mutex_);
  const auto found = std::find(places_.begin(), places_.end(), place);
  if (found != places_.end()) return static_cast<std::uint16_t>(found - places_.begin());
  if (places_.size() >= limits::session_places_max) return 0;
  places_.push_back(place);
  return static_cast<std::uint16_t>(places_.size() - 1);
}

Place Directory::place_of(const Entry& entry) const {
  const std::lock_guard lock(places_mutex_);
  return places_[entry.place];
}

Facts Directory::facts_of(const Entry& entry) const {
  Facts facts{entry.owner, entry.generation, entry.created_s, place_of(entry)};
  if (entry.extra == nullptr) return facts;
  facts.principal = entry.extra->principal;
  if (entry.extra->backend_session != nullptr) {
    facts.backend_session = *entry.extra->backend_session;
  }
  return facts;
}

// The table itself uses the low bits of the same hash.
std::size_t Directory::shard_of(std::string_view id) const {
  return hash64(id) >> 58;
}

void Directory::count(BackendId owner, int change) {
  cluster::Backend* const backend = registry_.find(owner);
  if (backend != nullptr) backend->add_session(change);
  counts(owner).sessions.fetch_add(change, std::memory_order_relaxed);
}

// `session` is not in use, and so not forgotten either.
void Directory::erase(Shard& shard, Map::iterator session) {
  count(session->second.owner, -1);
  reset_extras(session->second);
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
