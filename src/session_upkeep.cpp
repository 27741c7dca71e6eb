#include "session_upkeep.hpp"

#include <functional>
#include <string>

#include "mcplb/mcp/seal.hpp"

namespace mcplb {

SessionUpkeep::StoreLink::StoreLink(net::Loop& loop, net::Resolver& resolver, Nursery& nursery,
                                    const proxy::SharedState& shared)
    : connector(loop, resolver, shared.store_tls),
      client(loop.timers(), loop, connector, *shared.store),
      store(client, nursery, shared.store->prefix, shared.instance),
      subscriber(loop.timers(), loop, connector, *shared.store) {}

namespace {

// The directory goes by the ids that clients know.
std::function<std::string(std::string_view)> id_at_backend(const proxy::SharedPool& pool) {
  if (pool.session.identity != session::Identity::sealed) return {};
  return [](std::string_view sealed) { return std::string(mcp::Seal::inside(sealed)); };
}

}  // namespace

SessionUpkeep::PoolUpkeep::PoolUpkeep(SessionUpkeep& upkeep, const proxy::SharedPool& pool,
                                      const http::Settings& http)
    : shared(pool),
      dispatcher(upkeep.loop_, upkeep.resolver_, pool.pool, http),
      farewells(upkeep.nursery_, upkeep.loop_.timers(),
                [this](cluster::Backend& backend, Deadline deadline) {
                  return dispatcher.connect(backend, deadline);
                }),
      sweeper({.pool = pool.pool,
               .settings = pool.session,
               .sessions = pool.sessions,
               .endpoint_sessions = pool.endpoint_sessions,
               .store = upkeep.link_ ? &upkeep.link_->store : nullptr,
               .id_at_backend = id_at_backend(pool)},
              farewells, upkeep.nursery_, upkeep.loop_.timers()) {}

SessionUpkeep::SessionUpkeep(net::Loop& loop, net::Resolver& resolver, Nursery& nursery,
                             const proxy::SharedState& shared)
    : loop_(loop),
      resolver_(resolver),
      nursery_(nursery) {
  if (shared.store) {
    channel_ = session::Store::channel(shared.store->prefix);
    link_ = std::make_unique<StoreLink>(loop, resolver, nursery, shared);
  }
  for (const auto& pool : shared.pools)
    pools_.push_back(std::make_unique<PoolUpkeep>(*this, *pool, shared.http));
}

void SessionUpkeep::start() {
  for (const auto& pool : pools_)
    pool->sweeper.start();
  if (!link_) return;
  link_->client.start([this] { on_store_connected(); });
  link_->subscriber.start(channel_, *this);
}

admin::StoreHealth SessionUpkeep::store_health() const {
  admin::StoreHealth health;
  if (!link_) return health;
  health.kind = "redis";
  health.connected = link_->client.connected() && link_->subscriber.subscribed();
  for (const auto& pool : pools_) {
    const std::int64_t waiting = pool->shared.store_scope.removals_waiting.value();
    health.waiting += static_cast<std::size_t>(waiting);
  }
  return health;
}

void SessionUpkeep::on_store_connected() {
  link_->store.on_connected();
  for (const auto& pool : pools_)
    pool->sweeper.on_store_connected();
}

// What was said until now may have been missed.
void SessionUpkeep::on_resubscribed() {
  for (const auto& pool : pools_) {
    pool->shared.sessions.distrust_all();
    pool->shared.endpoint_sessions.distrust_all();
    pool->sweeper.round_soon();
  }
}

void SessionUpkeep::on_lost() {}

void SessionUpkeep::on_message(std::string_view payload) {
  const auto message = session::Store::read_message(payload);
  if (!message) return;
  for (const auto& pool : pools_) {
    if (pool->shared.pool.name() != message->pool) continue;
    for (session::Directory* directory :
         {&pool->shared.sessions, &pool->shared.endpoint_sessions}) {
      switch (message->what) {
        case session::Store::Message::What::deleted: directory->forget(message->id); break;
        case session::Store::Message::What::expired: directory->forget_unused(message->id); break;
        case session::Store::Message::What::moved: directory->distrust(message->id); break;
      }
    }
  }
}

}  // namespace mcplb
