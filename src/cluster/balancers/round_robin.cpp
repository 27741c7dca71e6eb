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
    if (candidates[i]->weight() != weights_[i]) return false;
  }
  return true;
}

void RoundRobin::rebuild(std::span<Backend* const> candidates) {
  candidates_.clear();
  weights_.clear();
  std::uint32_t common = 0;
  for (Backend* backend : candidates) {
    MCPLB_ASSERT(backend->weight() > 0);  // It would have no turn, and rank() would seek one.
    weights_.push_back(backend->weight());
    common = std::gcd(common, backend->weight());
  }
  std::size_t turns = 0;
  for (Backend* backend : candidates) {
    const std::uint32_t weight = backend->weight() / common;
    candidates_.push_back({backend, weight});
    turns += weight;
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
