#include "cluster/balancers/round_robin.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"

namespace mcplb::cluster {

static_assert(limits::backends_max <= std::numeric_limits<std::uint16_t>::max());

void RoundRobin::rank(std::span<Backend* const> candidates, std::uint64_t /*key*/,
                      std::vector<Backend*>& order) {
  if (!knows(candidates)) rebuild(candidates);
  order.clear();
  ++calls_;
  std::size_t at = cursor_.fetch_add(1, std::memory_order_relaxed) % schedule_.size();
  // Every candidate has a turn, so one round of the schedule meets them all.
  while (order.size() < candidates_.size()) {
    Candidate& next = candidates_[schedule_[at]];
    if (++at == schedule_.size()) at = 0;
    if (next.ranked_in == calls_) continue;
    next.ranked_in = calls_;
    order.push_back(next.backend);
  }
}

bool RoundRobin::knows(std::span<Backend* const> candidates) const {
  if (candidates.size() != candidates_.size()) return false;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i] != candidates_[i].backend) return false;
    if (candidates[i]->share() != shares_[i]) return false;
  }
  return true;
}

// Divided by what all have in common. Returns their sum: the turns of one round.
std::size_t RoundRobin::weigh() {
  std::uint32_t common = 0;
  for (const Candidate& candidate : candidates_)
    common = std::gcd(common, candidate.weight);
  std::size_t turns = 0;
  for (Candidate& candidate : candidates_) {
    candidate.weight /= common;
    turns += candidate.weight;
  }
  return turns;
}

void RoundRobin::rebuild(std::span<Backend* const> candidates) {
  candidates_.clear();
  shares_.clear();
  for (Backend* backend : candidates) {
    const std::uint32_t share = backend->share();  // once: it grows in slow start
    MCPLB_ASSERT(share > 0);  // It would have no turn, and rank() would seek one.
    shares_.push_back(share);
    candidates_.push_back({backend, share});
  }
  std::size_t turns = weigh();
  if (turns > limits::schedule_turns_max) {
    // Only slow start in a large pool makes so many: whole weights are fine enough then.
    for (std::size_t i = 0; i < shares_.size(); ++i)
      candidates_[i].weight = std::max<std::uint32_t>(shares_[i] / Warmth::full, 1);
    turns = weigh();
  }
  // nginx's smooth weighted round robin: all gain their weight, the leader pays for everyone.
  schedule_.clear();
  schedule_.reserve(turns);
  std::vector<std::int64_t> credit(candidates_.size(), 0);
  while (schedule_.size() < turns) {
    for (std::size_t i = 0; i < credit.size(); ++i)
      credit[i] += candidates_[i].weight;
    const auto leader = std::max_element(credit.begin(), credit.end());
    *leader -= static_cast<std::int64_t>(turns);
    schedule_.push_back(static_cast<std::uint16_t>(leader - credit.begin()));
  }
}

std::unique_ptr<Balancer> make_round_robin(Cursor& cursor) {
  return std::make_unique<RoundRobin>(cursor);
}

}  // namespace mcplb::cluster
