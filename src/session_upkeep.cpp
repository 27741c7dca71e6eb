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
std::function<std::string(std::string_view)> id_at_backend(session::Identity identity) {
  if (identity != session::Identity::sealed) return {};
  return [](std::string_view sealed) { return std::string(mcp::Seal::inside(sealed)); };
}

}  // namespace

SessionUpkeep::PoolUpkeep::PoolUpkeep(SessionUpkeep& upkeep, const proxy::PoolPolicy& policy)
    : shared(*policy.shared),
      settings(policy.session),
      dispatcher(upkeep.loop_, upkeep.resolver_, shared.pool, upkeep.http_),
      scope{dispatcher, settings, shared.store_scope, shared.session_events},
      farewells(upkeep.nursery_, upkeep.loop_.timers(),
                [this](cluster::Backend& backend, Deadline deadline) {
                  return dispatcher.connect(backend, deadline);
                }),
      sweeper({.pool = shared.pool,
               .settings = settings,
               .sessions = shared.sessions,
               .endpoint_sessions = shared.endpoint_sessions,
               .events = shared.session_events,
               .store = upkeep.link_ ? &upkeep.link_->store : nullptr,
               .id_at_backend = id_at_backend(settings.identity)},
              farewells, upkeep.nursery_, upkeep.loop_.timers()) {}

SessionUpkeep::SessionUpkeep(net::Loop& loop, net::Resolver& resolver, Nursery& nursery,
                             const proxy::SharedState& shared)
    : loop_(loop),
      resolver_(resolver),
      nursery_(nursery),
      channel_(shared.store ? session::Store::channel(shared.store->prefix) : ""),
      link_(shared.store ? std::make_unique<StoreLink>(loop, resolver, nursery, shared) : nullptr),
      mover_(loop.timers(), nursery, store()) {
  const auto policy = shared.policy.get();
  http_ = policy->http;
  for (const proxy::PoolPolicy& pool : policy->pools)
    pools_.push_back(std::make_unique<PoolUpkeep>(*this, pool));
}

void SessionUpkeep::start() {
  for (const auto& pool : pools_)
    pool->sweeper.start();
  if (!link_) return;
  link_->client.start([this] { on_store_connected(); });
  link_->subscriber.start(channel_, *this);
}

// Without credentials: nobody's are kept.
Task<session::MoveResult> SessionUpkeep::move_away(std::size_t pool, BackendId from,
                                                   session::OwnedSession session) {
  PoolUpkeep& kept = *pools_[pool];
  const auto known = kept.shared.sessions.look(session.id, loop_.now());
  session::MoveQuery query;
  query.directory = &kept.shared.sessions;
  query.generation = session.generation;
  query.from = from;
  query.from_lives = true;
  query.requests_max = 0;
  if (known) {
    query.target = known->facts.place.path;
    query.host = known->facts.place.host;
    query.at_backend = known->facts.backend_session;
  }
  if (query.target.empty()) {
    co_return session::MoveResult{session::MoveResult::Outcome::lost, {}, "its path is not known"};
  }
  const auto inside = id_at_backend(kept.settings.identity);
  if (query.at_backend.empty()) query.at_backend = inside ? inside(session.id) : session.id;
  query.session = std::move(session.id);
  co_return co_await mover_.move(kept.scope, std::move(query));
}

void SessionUpkeep::take_over(const proxy::Policy& policy) {
  http_ = policy.http;
  for (std::size_t i = 0; i < policy.pools.size(); ++i) {
    if (i == pools_.size()) {
      pools_.push_back(std::make_unique<PoolUpkeep>(*this, policy.pools[i]));
      pools_.back()->sweeper.start();
      continue;
    }
    pools_[i]->settings = policy.pools[i].session;
    pools_[i]->sweeper.settings_changed();
  }
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
