// The least busy first: load per weight, then sessions per weight, then turns.
#include <algorithm>

#include "cluster/balancers/balancers.hpp"

namespace mcplb::cluster {
namespace {

class LeastConnections final : public Balancer {
 public:
  explicit LeastConnections(Cursor& cursor) : cursor_(cursor) {}
  void rank(std::span<Backend* const> candidates, std::uint64_t key,
            std::vector<Backend*>& order) override;

 private:
  // A copy, because other threads change the counters while we sort.
  struct Busy {
    Backend* backend;
    std::uint64_t load;
    std::uint64_t sessions;
    std::uint64_t weight;
  };
  using Busies = std::vector<Busy>;

  static bool is_less_busy(const Busy& a, const Busy& b);
  static void take_turns(Busies::iterator first, Busies::iterator last, std::uint64_t turn);

  Cursor& cursor_;  // the pool's
  Busies busy_;
};

void LeastConnections::rank(std::span<Backend* const> candidates, std::uint64_t /*key*/,
                            std::vector<Backend*>& order) {
  const std::uint64_t turn = cursor_.fetch_add(1, std::memory_order_relaxed);
  busy_.clear();
  for (Backend* backend : candidates) {
    const std::int64_t sessions = std::max<std::int64_t>(backend->sessions(), 0);
    busy_.push_back(
        {backend, backend->load(), static_cast<std::uint64_t>(sessions), backend->share()});
  }
  std::sort(busy_.begin(), busy_.end(), is_less_busy);
  for (auto first = busy_.begin(); first != busy_.end();) {
    const auto last = std::upper_bound(first, busy_.end(), *first, is_less_busy);
    take_turns(first, last, turn);
    first = last;
  }
  order.clear();
  for (const Busy& busy : busy_)
    order.push_back(busy.backend);
}

// Cross-multiplied, so that equal fractions are equal.
bool LeastConnections::is_less_busy(const Busy& a, const Busy& b) {
  const std::uint64_t load_a = a.load * b.weight;
  const std::uint64_t load_b = b.load * a.weight;
  if (load_a != load_b) return load_a < load_b;
  return a.sessions * b.weight < b.sessions * a.weight;
}

// Brings one of the equally busy to the front, each as often as its weight says. The tied are
// others at every call, so a schedule would not do: multiples of the golden ratio are spread
// evenly over the weights whichever calls one looks at.
void LeastConnections::take_turns(Busies::iterator first, Busies::iterator last,
                                  std::uint64_t turn) {
  if (last - first < 2) return;
  // The sort may have left equals in any order.
  std::sort(first, last,
            [](const Busy& a, const Busy& b) { return a.backend->id() < b.backend->id(); });
  std::uint64_t weights = 0;
  for (auto at = first; at != last; ++at)
    weights += at->weight;
  constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15;
  const std::uint64_t fraction = (turn * golden_ratio) >> 32;
  std::uint64_t point = (fraction * weights) >> 32;
  auto chosen = first;
  while (point >= chosen->weight) {
    point -= chosen->weight;
    ++chosen;
  }
  std::rotate(first, chosen, last);
}

}  // namespace

std::unique_ptr<Balancer> make_least_connections(Cursor& cursor) {
  return std::make_unique<LeastConnections>(cursor);
}

}  // namespace mcplb::cluster
