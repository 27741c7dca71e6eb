#include "server.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "mcplb/admin/admin.hpp"
#include "mcplb/async/nursery.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/cluster/membership.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "backend_views.hpp"
#include "drains.hpp"
#include "insight.hpp"
#include "policy.hpp"
#include "pool_upkeep.hpp"
#include "registrar.hpp"
#include "reload.hpp"
#include "session_upkeep.hpp"
#include "session_views.hpp"
#include "tls_setup.hpp"
#include "trace_export.hpp"
#include "worker.hpp"

namespace mcplb {
namespace {

// How often the end of a graceful stop is looked for.
constexpr milliseconds stop_poll{50};

}  // namespace

// In the order of construction; destroyed in reverse.
struct Server::State {
  State(config::Settings given, Loader load)
      : settings(std::move(given)),
        membership(registry, membership_hooks()),
        control(limits::buffer_block_bytes),
        resolver(control, settings.resolver),
        session_views(shared, registry),
        insight({control, shared, registry, workers, reloads}),
        admin(settings.admin, admin_view()),
        reloads(reload_targets(), reload_hooks(), std::move(load)),
        backends({control, resolver, membership, nursery, tell_workers()}, settings.resolver),
        nursery(control) {}

  config::Settings settings;
  TlsSetup tls;
  cluster::Registry registry;
  cluster::Membership membership;
  proxy::SharedState shared;
  std::vector<std::unique_ptr<proxy::Listener>> listeners;
  net::Loop control;
  net::Resolver resolver;
  std::unique_ptr<TraceExport> traces;  // made by start(); null while tracing is off
  SessionViews session_views;
  Insight insight;
  admin::Admin admin;
  Reload reloads;
  http::Settings admin_http;
  std::vector<std::unique_ptr<Worker>> workers;
  PoolUpkeep backends;
  std::unique_ptr<SessionUpkeep> upkeep;  // made by start()
  std::unique_ptr<Drains> drains;         // likewise
  std::unique_ptr<Registrar> registrar;   // likewise; null while registration is off
  Nursery nursery;                        // of the control loop
  std::vector<std::unique_ptr<net::Acceptor>> acceptors;
  std::unique_ptr<net::Acceptor> admin_acceptor;
  const std::string own_secret = policy_secret_of_this_process();
  bool ready = false;
  bool stopping = false;
  TimePoint started_at = monotonic_ms();

  void publish(const config::Settings& next);
  Reload::Targets reload_targets();
  Reload::Hooks reload_hooks();
  ReloadAnswer reload();
  Task<ReloadAnswer> reload_now() { co_return reload(); }
  TellWorkers tell_workers();
  cluster::Membership::Hooks membership_hooks();
  bool prepare(cluster::Backend& backend, std::string& message);
  admin::View admin_view();
  Task<void> pause(milliseconds time);
  bool is_gone(const proxy::SharedPool& pool) const;
  admin::HealthReport health() const;
  void watch_signals();
  bool set_up_tls(std::string& message);
  void start_tracing();
  bool listen(std::string& message);
  bool listen_admin(std::string& message);
  void accepted(net::Acceptor::Accepted connection, const proxy::Listener& listener);
  void on_stop_signal();
  Task<void> stop_flow();
  Task<void> certificates_flow();
};

Server::Server(config::Settings settings, Loader load)
    : state_(std::make_unique<State>(std::move(settings), std::move(load))) {
  State& state = *state_;
  state.shared.resolver = state.settings.resolver;
  state.shared.store = state.settings.store;
  state.shared.instance = state.settings.instance;
  state.shared.registry = &state.registry;
  for (const config::PoolSettings& pool : state.settings.pools) {
    state.shared.pools.push_back(std::make_unique<proxy::SharedPool>(
        pool.cluster, pool.sessions.idle_timeout, state.registry));
    state.membership.add(state.shared.pools.back()->pool);
  }
  state.publish(state.settings);
}

Server::~Server() = default;

// Every pool of `next` is in shared.pools.
void Server::State::publish(const config::Settings& next) {
  admin_http = next.http;
  admin_http.request_bytes_max = limits::admin_command_bytes_max;
  shared.policy.set(make_policy(next, shared.pools, *shared.policy.get(), own_secret));
}

Reload::Targets Server::State::reload_targets() {
  return {settings, registry, membership, shared, listeners, tls};
}

Reload::Hooks Server::State::reload_hooks() {
  Reload::Hooks hooks;
  hooks.pool_added = [this](proxy::SharedPool& pool) {
    backends.add(pool.pool);
  };
  hooks.publish = [this](const config::Settings& next) {
    publish(next);
    upkeep->take_over(*shared.policy.get());
    backends.settings_changed(next);
  };
  return hooks;
}

ReloadAnswer Server::State::reload() {
  if (ready) return reloads.run();
  log::event(LogLevel::warn, "reload_refused", "why", "this process is about to end");
  return {ReloadAnswer::Outcome::refused, "this process is about to end", {}};
}

bool Server::start(std::string& message) {
  State& state = *state_;
  net::raise_open_files_limit();
  // Before the first line that says "listening": whoever waits for it may send a signal at once.
  state.watch_signals();
  if (!state.set_up_tls(message)) return false;
  if (!state.listen(message) || !state.listen_admin(message)) return false;
  state.start_tracing();
  const int count = state.settings.workers > 0 ? state.settings.workers : usable_cores();
  for (int i = 0; i < count; ++i) {
    state.workers.push_back(std::make_unique<Worker>(state.shared));
  }
  for (auto& worker : state.workers) worker->start();
  for (const auto& pool : state.shared.pools) state.backends.add(pool->pool);
  state.nursery.spawn(state.certificates_flow());
  state.insight.start(state.nursery);
  state.upkeep = std::make_unique<SessionUpkeep>(state.control, state.resolver, state.nursery,
                                                 state.shared);
  state.upkeep->start();
  state.drains = std::make_unique<Drains>(
      Drains::Parts{state.control, state.nursery, state.membership, state.shared, *state.upkeep,
                    state.tell_workers()});
  state.drains->start();
  if (state.settings.registration.enabled) {
    state.registrar = std::make_unique<Registrar>(
        state.settings.registration,
        Registrar::Parts{state.shared, state.membership, state.control.timers(),
                         state.upkeep->client()});
    state.registrar->start(state.nursery);
  }
  state.ready = true;
  return true;
}

void Server::run() {
  state_->control.run();
  for (auto& worker : state_->workers) worker->stop();
  log::event(LogLevel::info, "stopped");
}

std::string Server::listen_address() const {
  return state_->acceptors.front()->local_address().text();
}

std::string Server::admin_address() const {
  return state_->admin_acceptor->local_address().text();
}

void Server::State::watch_signals() {
  for (const int signal : {SIGTERM, SIGINT}) {
    control.on_signal(signal, [this] { on_stop_signal(); });
  }
  control.on_signal(SIGUSR1, [this] {
    log::reopen();
    tls.reload_changed();
  });
  control.on_signal(SIGHUP, [this] { reload(); });
}

bool Server::State::set_up_tls(std::string& message) {
  for (const net::ListenerSettings& listener : settings.listeners) {
    listeners.push_back(std::make_unique<proxy::Listener>());
    listeners.back()->name = listener.name;
    if (!listener.tls.enabled()) continue;
    listeners.back()->tls = tls.for_listener(listener, message);
    if (!listeners.back()->tls) return false;
  }
  for (const auto& pool : shared.pools) {
    const auto view = pool->pool.view();
    for (cluster::Backend* backend : view->backends) {
      if (!prepare(*backend, message)) return false;
    }
    for (const cluster::DnsSettings& named : view->settings.dns) {
      if (named.https && tls.for_backend(named.tls, message) == nullptr) return false;
    }
  }
  if (!shared.store || !shared.store->url.uses_tls()) return true;
  shared.store_tls = tls.for_store(shared.store->tls, message);
  return shared.store_tls != nullptr;
}

// Before the first worker is made.
void Server::State::start_tracing() {
  traces = TraceExport::create(settings, {control, resolver, tls});
  if (!traces) return;
  shared.spans = &traces->exporter();
  nursery.spawn(traces->exporter().run());
}

TellWorkers Server::State::tell_workers() {
  return [this](const std::function<void(proxy::WorkerProxy&)>& what) {
    for (auto& worker : workers) worker->tell(what);
  };
}

cluster::Membership::Hooks Server::State::membership_hooks() {
  cluster::Membership::Hooks hooks;
  hooks.prepare = [this](cluster::Backend& backend) {
    std::string message;
    if (prepare(backend, message)) return true;
    log::event(LogLevel::error, "backend_refused", "pool", backend.pool(), "backend",
               backend.name(), "why", message);
    return false;
  };
  hooks.changed = [this](cluster::Pool& pool) { backends.members_changed(pool); };
  return hooks;
}

// What it takes to meet it.
bool Server::State::prepare(cluster::Backend& backend, std::string& message) {
  if (!backend.https() || backend.tls() != nullptr) return true;
  backend.set_tls(tls.for_backend(backend.tls_settings(), message));
  return backend.tls() != nullptr;
}

bool Server::State::listen(std::string& message) {
  for (std::size_t i = 0; i < settings.listeners.size(); ++i) {
    const net::ListenerSettings& listener = settings.listeners[i];
    const proxy::Listener& known = *listeners[i];
    const auto on_accept = [this, &known](net::Acceptor::Accepted connection) {
      accepted(std::move(connection), known);
    };
    auto acceptor = net::Acceptor::listen(control, listener, on_accept);
    if (!acceptor) {
      message = "cannot listen on " + listener.address + ": " + acceptor.error().what;
      if (acceptor.error().os_code != 0) {
        message += std::string(": ") + std::strerror(acceptor.error().os_code);
      }
      return false;
    }
    log::announce("listening", "listener", listener.name, "address",
                  (*acceptor)->local_address().text());
    acceptors.push_back(std::move(*acceptor));
  }
  return true;
}

bool Server::State::listen_admin(std::string& message) {
  const net::ListenerSettings listener{settings.admin.address, "admin", {}};
  auto acceptor =
      net::Acceptor::listen(control, listener, [this](net::Acceptor::Accepted connection) {
        auto stream = net::adopt_socket(control, connection.fd, connection.peer);
        if (!stream || nursery.size() >= limits::admin_connections_max) return;
        nursery.spawn(wire::serve_connection(control, std::move(*stream), admin_http, admin,
                                             connection.peer.ip_text()));
      });
  if (!acceptor) {
    message = "cannot listen on admin.address " + listener.address + ": " + acceptor.error().what;
    if (acceptor.error().os_code != 0) {
      message += std::string(": ") + std::strerror(acceptor.error().os_code);
    }
    return false;
  }
  admin_acceptor = std::move(*acceptor);
  log::announce("listening", "listener", "admin", "address",
                admin_acceptor->local_address().text());
  return true;
}

// Long streams stay where they are, so the worker with the least gets the next connection.
void Server::State::accepted(net::Acceptor::Accepted connection,
                             const proxy::Listener& listener) {
  Worker* least = workers.front().get();
  for (const auto& worker : workers) {
    if (worker->load() < least->load()) least = worker.get();
  }
  least->hand_over(std::move(connection), listener);
}

admin::View Server::State::admin_view() {
  admin::View view;
  view.health = [this] { return health(); };
  view.ready = [this] { return ready; };
  view.sessions = [this](const admin::SessionsQuery& query) {
    return session_views.page(query, control.now());
  };
  view.session = [this](admin::SessionQuery query) {
    session::Store* const store = upkeep ? upkeep->store() : nullptr;
    return session_views.find(std::move(query), store, control.now());
  };
  view.registration = [this] { return registrar ? &registrar->registration() : nullptr; };
  view.pools = [this] {
    auto pools = pool_views(shared, insight.traffic(),
                            registrar ? &registrar->registration() : nullptr);
    std::erase_if(pools, [this](const admin::PoolView& shown) {
      return std::any_of(shared.pools.begin(), shared.pools.end(), [&](const auto& pool) {
        return pool->pool.name() == shown.name && is_gone(*pool);
      });
    });
    return pools;
  };
  view.activity = [this] { return insight.activity(); };
  view.metrics = [this] {
    return insight.metrics(upkeep.get(), traces ? &traces->exporter().counts() : nullptr);
  };
  view.configuration = [this] { return config::print_effective_json(settings); };
  view.pause = [this](milliseconds time) { return pause(time); };
  view.change_backend = [this](const admin::BackendCommand& command) -> Result<admin::BackendView> {
    const cluster::Mode mode = wanted_mode(command.mode);
    const cluster::Backend* const backend =
        membership.set_mode(command.pool, command.backend, mode);
    if (backend != nullptr) return view_of(*backend);
    return Error{Error::Kind::failed, Error::Side::self, 0, "the backend has just left the pool"};
  };
  view.reload = [this] { return reload_now(); };
  return view;
}

Task<void> Server::State::pause(milliseconds time) {
  const Deadline end = control.timers().in(time);
  co_await control.timers().sleep(end);
}

// A reload has taken it out of the configuration, and nothing of it is left.
bool Server::State::is_gone(const proxy::SharedPool& pool) const {
  const bool named = std::any_of(
      settings.pools.begin(), settings.pools.end(),
      [&](const config::PoolSettings& each) { return each.cluster.name == pool.pool.name(); });
  return !named && pool.pool.view()->backends.empty() && pool.sessions.size() == 0 &&
         pool.endpoint_sessions.size() == 0;
}

admin::HealthReport Server::State::health() const {
  admin::HealthReport report;
  report.instance = settings.instance;
  report.version = MCPLB_VERSION;
  report.uptime_seconds = (monotonic_ms() - started_at) / 1000;
  for (const auto& pool : shared.pools) {
    if (is_gone(*pool)) continue;
    admin::PoolHealth health;
    health.name = pool->pool.name();
    const auto view = pool->pool.view();
    health.backends = view->backends.size();
    health.usable = static_cast<std::size_t>(
        std::count_if(view->backends.begin(), view->backends.end(),
                      [](const cluster::Backend* backend) { return backend->usable(); }));
    health.sessions =
        static_cast<std::int64_t>(pool->sessions.size() + pool->endpoint_sessions.size());
    report.active_sessions += health.sessions;
    report.pools.push_back(std::move(health));
  }
  if (upkeep) report.store = upkeep->store_health();
  // Each loop has a connection of its own.
  for (const auto& worker : workers) {
    const auto store = worker->proxy().store_stats();
    const bool away = store && store->client.connected.value() == 0;
    report.store.connected = report.store.connected && !away;
  }
  return report;
}

void Server::State::on_stop_signal() {
  if (stopping) {
    log::event(LogLevel::warn, "stop_at_once", "why", "second signal");
    control.stop();
    return;
  }
  stopping = true;
  ready = false;
  log::event(LogLevel::info, "stopping", "delay_ms", settings.shutdown_delay.count(),
             "timeout_ms", settings.shutdown_timeout.count());
  nursery.spawn(stop_flow());
}

Task<void> Server::State::stop_flow() {
  const Deadline delay = control.timers().in(settings.shutdown_delay);
  co_await control.timers().sleep(delay);
  acceptors.clear();
  tell_workers()([within = settings.shutdown_timeout / 2](proxy::WorkerProxy& worker) {
    worker.begin_stop(within);
  });
  backends.begin_stop();
  const Deadline hard_end = control.timers().in(settings.shutdown_timeout);
  while (!hard_end.passed(control.now())) {
    std::size_t open = backends.stopped() ? 0 : 1;
    for (const auto& worker : workers) open += worker->load();
    if (open == 0) break;
    const Deadline next_look = control.timers().in(stop_poll);
    co_await control.timers().sleep(next_look);
  }
  if (traces) {
    const Deadline farewell = control.timers().in(limits::span_farewell);
    co_await traces->exporter().flush(farewell);
  }
  control.stop();
}

// Renewed certificates come by rename (certbot) or by a link that moves (Kubernetes); neither sends
// a signal.
Task<void> Server::State::certificates_flow() {
  while (true) {
    const Deadline next = control.timers().in(limits::tls_files_look);
    co_await control.timers().sleep(next);
    tls.reload_changed();
  }
}

}  // namespace mcplb
