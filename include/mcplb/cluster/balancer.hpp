// Decides in which order backends are tried. Knows nothing of health, sessions or retries: the
// caller passes only usable backends and stops after its own number of tries.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/settings.hpp"

namespace mcplb::cluster {

// One per pool and worker, used on the worker's loop only; may keep state between calls.
class Balancer {
 public:
  virtual ~Balancer() = default;
  Balancer() = default;
  Balancer(const Balancer&) = delete;
  Balancer& operator=(const Balancer&) = delete;
  // Fills `order` with every candidate exactly once, best first. `key` is the request's affinity
  // hash, 0 when it has none. `candidates` is never empty and not kept.
  virtual void rank(std::span<Backend* const> candidates, std::uint64_t key,
                    std::vector<Backend*>& order) = 0;
};

// `cursor` is shared by the workers of a process, so that turns are taken over all of them.
std::unique_ptr<Balancer> make_balancer(Balance policy, std::atomic<std::uint64_t>& cursor);

}  // namespace mcplb::cluster
