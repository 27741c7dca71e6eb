// Who belongs to which pool, from all who have a say: the configuration, DNS, registrations. A
// backend that nobody names any more is drained, and leaves when nothing of it is left or its time
// is up. Owned by the server, used on the control loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/cluster/pool.hpp"

namespace mcplb::cluster {

class Membership {
 public:
  // What the owner does about changes. All are called on the control loop.
  struct Hooks {
    // Makes a new backend fit to be met (its TLS context). False: it does not become a member.
    std::function<bool(Backend&)> prepare;
    // Members have come, gone or changed their mode.
    std::function<void(Pool&)> changed;
  };

  // The registry and the hooks' targets outlive it.
  Membership(Registry& registry, Hooks hooks) : registry_(registry), hooks_(std::move(hooks)) {}
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // A pool to keep the members of; it outlives this. What it has so far counts as named by the
  // source "file".
  void add(Pool& pool);
  // All that `source` names now, instead of what it named before. Names of one source win over
  // those of a later one, in the order of the sources' names.
  void set_source(std::string_view pool, const std::string& source,
                  std::vector<BackendSettings> backends);
  // Of the configuration; members are left alone.
  void set_settings(std::string_view pool, PoolSettings settings);

  // The operator's word. Null when the pool has no such backend. One that nobody names any more
  // leaves all the same.
  Backend* set_mode(std::string_view pool, std::string_view backend, Mode mode);

  // A backend that leaves, or is drained on command: since when, and whether it leaves the pool
  // when it is empty.
  struct Leaving {
    Backend* backend = nullptr;
    TimePoint since = 0;
    bool removed = false;
    Mode before = Mode::active;  // what it is again when it is named again: the operator's word
  };
  std::vector<Leaving> draining(std::string_view pool) const;
  // Takes out of the pool what `removed` says.
  void let_go(std::string_view pool, Backend& backend);

 private:
  struct Kept {
    Pool* pool = nullptr;
    std::map<std::string, std::vector<BackendSettings>> sources;
    std::vector<Leaving> leaving;
  };
  Kept* kept(std::string_view pool);
  const Kept* kept(std::string_view pool) const;
  void rebuild(Kept& kept);
  void note_leaving(Kept& kept, Backend& backend, bool removed);
  void forget_leaving(Kept& kept, const Backend& backend);

  Registry& registry_;
  const Hooks hooks_;
  std::vector<std::unique_ptr<Kept>> pools_;
};

}  // namespace mcplb::cluster
