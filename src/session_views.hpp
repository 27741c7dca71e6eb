// Sessions as the admin API shows them: out of the directories of this process and, one by one,
// out of the shared store.
#pragma once

#include <string>
#include <string_view>

#include "mcplb/admin/sessions.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/session/store.hpp"

namespace mcplb {

// Owned by the server, used on the control loop only.
class SessionViews {
 public:
  // Both outlive the views; `registry` knows all backends.
  SessionViews(const proxy::SharedState& shared, const cluster::Registry& registry)
      : shared_(shared),
        registry_(registry) {}

  admin::SessionsAnswer page(const admin::SessionsQuery& query, TimePoint now) const;
  // `store` is of this loop and outlives the task; null without one.
  Task<admin::SessionAnswer> find(admin::SessionQuery query, session::Store* store,
                                  TimePoint now) const;

 private:
  admin::SessionView view_of(const proxy::SharedPool& pool, std::string_view id,
                             const session::SessionInfo& info) const;
  admin::SessionAnswer look(const admin::SessionQuery& query, TimePoint now) const;

  const proxy::SharedState& shared_;
  const cluster::Registry& registry_;
};

}  // namespace mcplb
