// The same key goes to the same backend, on every balancer instance: weighted rendezvous hashing
// with bounded loads. Placement only: which backend owns a session, the directory knows.
#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"

#include "cluster/balancers/balancers.hpp"
#include "cluster/balancers/round_robin.hpp"

namespace mcplb::cluster {
namespace {

class SessionHash final : public Balancer {
 public:
  explicit SessionHash(Cursor& cursor) : turns_(cursor) {}
  void rank(std::span<Backend* const> candidates, std::uint64_t key,
            std::vector<Backend*>& order) override;

 private:
  struct Scored {
    Backend* backend;
    std::uint64_t load;
    std::uint64_t share;  // a copy, because it grows in slow start
    double score;
    bool full;
  };

  std::uint64_t name_hash(const Backend& backend);
  double score(const Backend& backend, std::uint64_t share, std::uint64_t key);
  void mark_full();

  RoundRobin turns_;  // for requests without a key
  std::vector<Scored> scored_;
  std::vector<std::uint64_t> name_hashes_;  // by BackendId; 0: not computed yet
};

void SessionHash::rank(std::span<Backend* const> candidates, std::uint64_t key,
                       std::vector<Backend*>& order) {
  if (key == 0) {
    turns_.rank(candidates, key, order);
    return;
  }
  scored_.clear();
  for (Backend* backend : candidates) {
    const std::uint64_t share = backend->share();
    scored_.push_back({backend, backend->load(), share, score(*backend, share, key), false});
  }
  mark_full();
  std::sort(scored_.begin(), scored_.end(), [](const Scored& a, const Scored& b) {
    if (a.full != b.full) return b.full;
    if (a.score != b.score) return a.score > b.score;
    return a.backend->id() < b.backend->id();
  });
  order.clear();
  for (const Scored& scored : scored_)
    order.push_back(scored.backend);
}

// Of the name and not of the id: ids follow the order of the file, which instances may not share.
std::uint64_t SessionHash::name_hash(const Backend& backend) {
  const auto index = static_cast<std::size_t>(backend.id());
  if (index >= name_hashes_.size()) name_hashes_.resize(index + 1, 0);
  if (name_hashes_[index] == 0) name_hashes_[index] = hash64(backend.name());
  return name_hashes_[index];
}

// -w / ln(h) with h uniform in (0, 1): the highest wins as often as its share of the weights, and
// no score depends on who else takes part, so a backend that leaves moves only its own keys, and
// one in slow start lends some of its own to others.
double SessionHash::score(const Backend& backend, std::uint64_t share, std::uint64_t key) {
  const std::array<std::uint64_t, 2> words{key, name_hash(backend)};
  const std::string_view bytes(reinterpret_cast<const char*>(words.data()), sizeof words);
  constexpr double two_to_minus_53 = 0x1p-53;
  const double uniform = (static_cast<double>(hash64(bytes) >> 11) + 0.5) * two_to_minus_53;
  return -static_cast<double>(share) / std::log(uniform);
}

// Full: it has at least 1.25 times its share of the load, this request included, and that is more
// than a few. A hot key then spills to its next backend instead of drowning the first.
void SessionHash::mark_full() {
  std::uint64_t load = 1;
  std::uint64_t shares = 0;
  for (const Scored& scored : scored_) {
    load += scored.load;
    shares += scored.share;
  }
  for (Scored& scored : scored_) {
    const std::uint64_t cap = (5 * load * scored.share + 4 * shares - 1) / (4 * shares);
    scored.full = scored.load >= std::max(cap, limits::hash_load_spared);
  }
}

}  // namespace

std::unique_ptr<Balancer> make_session_hash(Cursor& cursor) {
  return std::make_unique<SessionHash>(cursor);
}

}  // namespace mcplb::cluster
