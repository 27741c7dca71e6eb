#include "mcplb/proxy/worker_proxy.hpp"

#include <utility>

#include "mcplb/base/random.hpp"

#include "proxy/client_connection.hpp"
#include "proxy/context.hpp"
#include "proxy/tls_arrival.hpp"

namespace mcplb::proxy {

std::string_view to_string(StreamKind kind) {
  switch (kind) {
    case StreamKind::get: return "get";
    case StreamKind::post: return "post";
    case StreamKind::listen: return "listen";
    case StreamKind::endpoint: return "endpoint";
    case StreamKind::other: return "other";
    case StreamKind::count_: break;
  }
  return "";
}

void set_request_id(Scratch& scratch, bool trusted) {
  const std::string_view given = scratch.request.head.fields.get(http::Name::x_request_id);
  scratch.request_id.clear();
  if (trusted && !given.empty()) {
    scratch.request_id = given;
  } else {
    append_request_id(scratch.request_id);
  }
}

PoolContext::PoolContext(Context& context, const PoolPolicy& policy, std::size_t index)
    : shared(*policy.shared),
      session(policy.session),
      forward(policy.forward),
      dispatcher(context.loop, context.resolver, shared.pool, context.http),
      identity(shared, session, context.secrets),
      lookup_scope{dispatcher, session, shared.store_scope, shared.session_events},
      metrics(context.metrics.pools.at(index)) {}

Context::Context(net::Loop& worker_loop, const SharedState& shared_state, WorkerMetrics& counts)
    : loop(worker_loop),
      shared(shared_state),
      metrics(counts),
      policy(shared_state.policy),
      resolver(worker_loop, shared_state.resolver),
      store(shared_state.store
                ? std::make_unique<StoreLink>(loop, resolver, nursery, shared_state)
                : nullptr),
      asker(worker_loop.timers(), worker_loop),
      lookup(worker_loop.timers(), nursery, asker, store ? &store->sessions : nullptr),
      mover(worker_loop.timers(), nursery, store ? &store->sessions : nullptr),
      nursery(worker_loop) {
  take_over_policy();
}

void Context::take_over_policy() {
  client = policy->client;
  http = policy->http;
  trusted = policy->trusted;
  trace_millionths = policy->trace_millionths;
  // A copy of its own: workers that count their requests on one counter slow each other down.
  router = std::make_shared<const Router>(policy->router);
  const bool new_secrets = secrets != policy->secrets;
  secrets = policy->secrets;
  for (std::size_t i = 0; i < policy->pools.size(); ++i) {
    const PoolPolicy& next = policy->pools[i];
    if (i == pools.size()) {
      pools.push_back(std::make_unique<PoolContext>(*this, next, i));
      continue;
    }
    pools[i]->session = next.session;
    pools[i]->forward = next.forward;
    if (new_secrets) pools[i]->identity.set_secrets(secrets);
  }
}

// It may have come back meanwhile: then nobody is given up.
Task<void> give_up_who_stays_silent(Context& context, const cluster::Backend& backend,
                                    milliseconds silence) {
  const Deadline heard_by = context.loop.timers().in(silence);
  co_await context.loop.timers().sleep(heard_by);
  if (backend.healthy()) co_return;
  const Deadline now = context.loop.timers().in(milliseconds(0));
  context.in_flight.for_each([&](InFlight& exchange) {
    const bool silent = exchange.backend() == &backend && exchange.silent_since_look();
    if (silent) exchange.ask(InFlight::Wish::cut, now);
  });
}

WorkerProxy::WorkerProxy(net::Loop& loop, const SharedState& shared)
    : metrics_(shared.registry),
      context_(std::make_unique<Context>(loop, shared, metrics_)) {}

WorkerProxy::~WorkerProxy() = default;

std::optional<WorkerProxy::StoreStats> WorkerProxy::store_stats() const {
  if (!context_ || !context_->store) return std::nullopt;
  return StoreStats{context_->store->client.stats(), context_->store->sessions.times()};
}

void WorkerProxy::start() {
  if (!context_->store) return;
  StoreLink& store = *context_->store;
  store.client.start([&store] { store.sessions.on_connected(); });
}

void WorkerProxy::serve(const net::Acceptor::Accepted& accepted, const Listener& listener) {
  auto stream = net::adopt_socket(context_->loop, accepted.fd, accepted.peer);
  if (!stream) return;
  context_->refresh();
  ClientInfo client;
  client.ip = accepted.peer.ip_text();
  client.listener = listener.name;
  client.trusted = context_->trusted.contains(accepted.peer);
  client.https = listener.tls != nullptr;
  if (client.https) {
    context_->nursery.spawn(std::make_unique<TlsArrival>(*context_, std::move(*stream),
                                                         std::move(client), *listener.tls, load_));
    return;
  }
  context_->nursery.spawn(std::make_unique<ClientConnection>(*context_, std::move(*stream),
                                                             std::move(client), load_));
}

void WorkerProxy::begin_stop(milliseconds streams_within) {
  context_->stopping = true;
  context_->idle_connections.for_each([](IdleConnection& idle) { idle.end(); });
  ask_in_turn(context_->in_flight, InFlight::Wish::stop, context_->loop.timers(), streams_within,
              [](const InFlight& exchange) { return exchange.may_stop(); });
}

void WorkerProxy::leave(const cluster::Backend& backend, milliseconds within) {
  ask_in_turn(context_->in_flight, InFlight::Wish::leave, context_->loop.timers(), within,
              [&backend](const InFlight& exchange) {
                return exchange.backend() == &backend && exchange.may_leave();
              });
}

void WorkerProxy::give_up(const cluster::Backend& backend) {
  const Deadline now = context_->loop.timers().in(milliseconds(0));
  context_->in_flight.for_each([&](InFlight& exchange) {
    if (exchange.backend() == &backend) exchange.ask(InFlight::Wish::cut, now);
  });
}

void WorkerProxy::give_up_silent(const cluster::Backend& backend, milliseconds silence) {
  context_->in_flight.for_each([&](InFlight& exchange) {
    if (exchange.backend() == &backend) exchange.look();
  });
  context_->nursery.spawn(give_up_who_stays_silent(*context_, backend, silence));
}

void WorkerProxy::close() { context_.reset(); }

}  // namespace mcplb::proxy
