// An `initialize` whose client left before the reply's head: the backend may be minting a session
// that nobody will use. The head is awaited for a while, and the session deleted.
#pragma once

#include <memory>
#include <string>

#include "mcplb/async/nursery.hpp"
#include "mcplb/cluster/lease.hpp"
#include "proxy/context.hpp"

namespace mcplb::proxy {

struct OrphanInitialize {
  cluster::Lease lease;  // the reply is on its way on it
  cluster::Backend* backend = nullptr;
  PoolContext* pool = nullptr;
  std::string target;         // as the backend saw it
  std::string host;
  std::string authorization;  // empty: none was sent
};

// Bounded by limits::orphan_initializes_max: beyond it the connection is just closed.
void adopt_orphan(Context& context, OrphanInitialize orphan);

}  // namespace mcplb::proxy
