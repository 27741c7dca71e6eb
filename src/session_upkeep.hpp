// What the control loop does for sessions: the sweeper of each pool, and the control loop's own
// connections to the shared store, if there is one.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "mcplb/admin/admin.hpp"
#include "mcplb/async/nursery.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/redis/client.hpp"
#include "mcplb/redis/connector.hpp"
#include "mcplb/redis/subscriber.hpp"
#include "mcplb/session/farewells.hpp"
#include "mcplb/session/move.hpp"
#include "mcplb/session/store.hpp"
#include "mcplb/session/sweeper.hpp"

namespace mcplb {

// Owned by the server, used on the control loop only. All that it is given outlives it, but for
// the nursery, which runs its flows and is destroyed first.
class SessionUpkeep final : private redis::Subscriber::Listener {
 public:
  SessionUpkeep(net::Loop& loop, net::Resolver& resolver, Nursery& nursery,
                const proxy::SharedState& shared);
  ~SessionUpkeep() = default;
  SessionUpkeep(const SessionUpkeep&) = delete;
  SessionUpkeep& operator=(const SessionUpkeep&) = delete;

  void start();
  // Moves a session that nothing uses away from a backend that is drained. `pool` is its index.
  Task<session::MoveResult> move_away(std::size_t pool, BackendId from,
                                      session::OwnedSession session);
  // Takes over a changed policy, and cares for the pools that are new in it. After start().
  void take_over(const proxy::Policy& policy);
  admin::StoreHealth store_health() const;
  // The control loop's; null without one.
  session::Store* store() const { return link_ ? &link_->store : nullptr; }
  redis::Client* client() const { return link_ ? &link_->client : nullptr; }

 private:
  struct StoreLink {
    StoreLink(net::Loop& loop, net::Resolver& resolver, Nursery& nursery,
              const proxy::SharedState& shared);
    redis::NetConnector connector;
    redis::Client client;
    session::Store store;
    redis::Subscriber subscriber;
  };
  // One pool's, as the control loop cares for it.
  struct PoolUpkeep {
    PoolUpkeep(SessionUpkeep& upkeep, const proxy::PoolPolicy& policy);
    const proxy::SharedPool& shared;
    session::Settings settings;  // overwritten when the policy changes
    cluster::Dispatcher dispatcher;
    session::LookupScope scope;
    session::Farewells farewells;
    session::Sweeper sweeper;
  };

  void on_store_connected();
  void on_resubscribed() override;
  void on_lost() override;
  void on_message(std::string_view payload) override;

  net::Loop& loop_;
  net::Resolver& resolver_;
  Nursery& nursery_;
  std::string channel_;
  std::unique_ptr<StoreLink> link_;  // none without a store
  session::Mover mover_;
  http::Settings http_;              // overwritten when the policy changes
  std::vector<std::unique_ptr<PoolUpkeep>> pools_;  // in the order of Policy::pools
};

}  // namespace mcplb
