// The directory page by page, for people: off the hot path, and out of its way.
#include <algorithm>
#include <limits>
#include <utility>

#include "mcplb/base/assert.hpp"
#include "mcplb/session/directory.hpp"

namespace mcplb::session {

// Those with the lowest keys of one shard, as many as there is room for. Remembers how far the
// look through the shard has come.
class Directory::Lowest {
 public:
  Lowest(std::uint64_t key_min, std::size_t max) : key_min_(key_min), max_(max) {}

  struct Listed {
    std::uint64_t key = 0;
    ListedSession session;
    bool operator<(const Listed& other) const { return key < other.key; }
  };

  bool wants(std::uint64_t key) {
    if (key < key_min_) return false;
    if (heap_.size() < max_ || (max_ > 0 && key < heap_.front().key)) return true;
    left_out_ = true;
    return false;
  }
  void add(Listed listed) {
    heap_.push_back(std::move(listed));
    std::push_heap(heap_.begin(), heap_.end());
    if (heap_.size() <= max_) return;
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    left_out_ = true;
  }
  // A table that grows puts its sessions into other buckets: what was seen does not count then.
  void look_at_table_of(std::size_t bucket_count) {
    if (buckets_ == bucket_count) return;
    buckets_ = bucket_count;
    next_bucket = 0;
    heap_.clear();
    left_out_ = false;
  }
  bool left_out() const { return left_out_; }
  std::vector<Listed> take() {
    std::sort_heap(heap_.begin(), heap_.end());
    return std::move(heap_);
  }

  std::size_t next_bucket = 0;

 private:
  const std::uint64_t key_min_;
  const std::size_t max_;
  std::size_t buckets_ = 0;
  bool left_out_ = false;
  std::vector<Listed> heap_;  // the highest key first
};

SessionsPage Directory::page(PageMark from, std::size_t max, TimePoint now) const {
  MCPLB_ASSERT(max > 0);
  SessionsPage page;
  for (; from.shard < shards; from = {from.shard + 1, 0}) {
    const Shard& shard = shards_[from.shard];
    Lowest lowest(from.key, max - page.sessions.size());
    while (list_some(shard, now, lowest)) {
    }
    for (Lowest::Listed& listed : lowest.take()) {
      page.sessions.push_back(std::move(listed.session));
      from.key = listed.key + 1;
    }
    if (!lowest.left_out()) continue;
    page.next = from;
    break;
  }
  return page;
}

// Some buckets at a time, because requests wait for the lock. False when there are no more.
bool Directory::list_some(const Shard& shard, TimePoint now, Lowest& lowest) const {
  constexpr std::size_t buckets_max = 256;
  const std::lock_guard lock(shard.mutex);
  const Map& sessions = shard.sessions;
  lowest.look_at_table_of(sessions.bucket_count());
  const std::size_t end = std::min(lowest.next_bucket + buckets_max, sessions.bucket_count());
  for (; lowest.next_bucket < end; ++lowest.next_bucket) {
    for (auto at = sessions.begin(lowest.next_bucket); at != sessions.end(lowest.next_bucket);
         ++at) {
      const auto& [id, entry] = *at;
      if (entry.forgotten) continue;
      const std::uint64_t key = hash64(id, page_key_);
      if (lowest.wants(key)) lowest.add({key, {id, info_of(entry, now)}});
    }
  }
  return end < sessions.bucket_count();
}

}  // namespace mcplb::session
