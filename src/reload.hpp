// A changed configuration, taken over while the process serves: all of it or nothing. What this
// costs is paid on the control loop, once; workers take over what was published when their next
// request begins.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mcplb/admin/backends.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/cluster/membership.hpp"
#include "mcplb/config/config.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "tls_setup.hpp"

namespace mcplb {

using admin::ReloadAnswer;

// May be read on any thread.
struct ReloadCounts {
  Counter applied;
  Counter refused;
};

// Owned by the server, used on the control loop only.
class Reload {
 public:
  // Loads the same sources again, with the flags of the start.
  using Loader = std::function<config::Outcome()>;
  // What is changed; all of it outlives this.
  struct Targets {
    config::Settings& running;
    cluster::Registry& registry;
    cluster::Membership& membership;
    proxy::SharedState& shared;
    std::vector<std::unique_ptr<proxy::Listener>>& listeners;
    TlsSetup& tls;
  };
  // What the owner does about it.
  struct Hooks {
    // A pool that is new: its members are known, its routes are not yet.
    std::function<void(proxy::SharedPool&)> pool_added;
    // All members are known: tell the workers, and whoever else has settings of his own. Routes to
    // pools that are gone end here; their backends drain afterwards.
    std::function<void(const config::Settings&)> publish;
  };

  // `load` is empty when the process serves without a file.
  Reload(Targets targets, Hooks hooks, Loader load)
      : targets_(targets),
        hooks_(std::move(hooks)),
        load_(std::move(load)) {}
  Reload(const Reload&) = delete;
  Reload& operator=(const Reload&) = delete;

  // Says in the log how it went, too.
  ReloadAnswer run();
  const ReloadCounts& counts() const { return counts_; }

 private:
  ReloadAnswer load_and_apply();
  ReloadAnswer take_over(config::Settings next);
  config::Settings running_and_gone() const;
  void apply(config::Settings next);
  void apply_to_listeners(const config::Settings& next);
  void apply_to_pool(const config::PoolSettings& pool);
  void remember_gone(const config::Settings& next);

  const Targets targets_;
  const Hooks hooks_;
  const Loader load_;
  // Pools that the configuration had, as it had them last: they may come back.
  std::vector<config::PoolSettings> gone_;
  ReloadCounts counts_;
};

}  // namespace mcplb
