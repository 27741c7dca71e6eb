// Takes turns, weighted and smooth: with weights 5, 1, 1 the turns are a a b a c a a.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cluster/balancers/balancers.hpp"

namespace mcplb::cluster {

class RoundRobin final : public Balancer {
 public:
  explicit RoundRobin(Cursor& cursor) : cursor_(cursor) {}
  void rank(std::span<Backend* const> candidates, std::uint64_t key,
            std::vector<Backend*>& order) override;

 private:
  struct Candidate {
    Backend* backend;
    std::uint32_t weight;         // divided by what all have in common
    std::uint64_t ranked_in = 0;  // the last call that put it into the order
  };

  bool knows(std::span<Backend* const> candidates) const;
  void rebuild(std::span<Backend* const> candidates);
  std::size_t weigh();

  Cursor& cursor_;  // the pool's
  std::vector<Candidate> candidates_;
  std::vector<std::uint32_t> shares_;  // that the schedule was built from
  // Indices into candidates_, each as often as its weight says: limits::schedule_turns_max.
  std::vector<std::uint16_t> schedule_;
  std::uint64_t calls_ = 0;
};

}  // namespace mcplb::cluster
