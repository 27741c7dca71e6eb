#include "metrics_page.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "mcplb/admin/exposition.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/net/tls.hpp"
#include "backend_views.hpp"
#include "process_stats.hpp"

namespace mcplb {
namespace {

using admin::Family;
using admin::MetricLabels;
using proxy::RequestLabels;
using Type = Family::Type;

constexpr const char* other = "other";

double as_number(std::uint64_t value) { return static_cast<double>(value); }

class Page {
 public:
  explicit Page(const MetricsSources& sources) : sources_(sources) {
    for (const auto& pool : sources.shared.pools) {
      const auto view = pool->pool.view();
      for (const cluster::Backend* backend : view->backends)
        members_.insert(pool->pool.name() + '\0' + backend->name());
    }
  }

  std::string text() {
    add_requests();
    add_own_replies();
    add_connections();
    add_sessions();
    add_backends();
    add_store();
    add_process();
    return std::move(text_);
  }

 private:
  void finish(const Family& family) { family.append_to(text_); }

  std::string pool_name(std::size_t pool) const {
    return pool < sources_.shared.pools.size() ? sources_.shared.pools[pool]->pool.name() : "";
  }
  // "" without a backend. None: it has left long ago, and nothing of its name is there.
  std::optional<std::string> backend_name(BackendId id) const {
    const cluster::Backend* const backend = sources_.registry.find(id);
    if (backend == nullptr) return "";
    const bool gone = backend->gone_for(limits::gone_series_kept, monotonic_ms());
    if (gone && !members_.contains(backend->pool() + '\0' + backend->name())) return std::nullopt;
    return backend->name();
  }
  std::optional<MetricLabels> backend_labels(std::uint64_t key) const {
    if (key == Series<int>::others) return MetricLabels{{"pool", other}, {"backend", other}};
    const RequestLabels labels = RequestLabels::of(key);
    auto name = backend_name(labels.backend);
    if (!name) return std::nullopt;
    return MetricLabels{{"pool", pool_name(labels.pool)}, {"backend", std::move(*name)}};
  }
  static std::string method_name(mcp::Method method) {
    const bool known = method != mcp::Method::none && method < mcp::Method::count_;
    return known ? std::string(mcp::to_string(method)) : other;
  }
  template <class Each>
  void each_worker(Each each) const {
    for (const proxy::WorkerProxy* worker : sources_.workers) each(worker->metrics());
  }
  template <class Each>
  void each_backend(Each each) const {
    for (const auto& pool : sources_.shared.pools) {
      const auto view = pool->pool.view();
      for (const cluster::Backend* backend : view->backends)
        each(MetricLabels{{"pool", pool->pool.name()}, {"backend", backend->name()}}, *backend);
    }
  }

  void add_requests();
  void add_times();
  void add_own_replies();
  void add_connections();
  void add_sessions();
  void add_backends();
  void add_backend_states();
  void add_store();
  void add_process();
  void add_value(std::string_view name, Type type, std::string_view help, double value) {
    Family family(name, type, help);
    family.add({}, value);
    finish(family);
  }

  const MetricsSources& sources_;
  std::set<std::string> members_;  // pool and backend that are there now
  std::string text_;
};

void Page::add_requests() {
  Family requests("mcplb_requests_total", Type::counter,
                  "Requests by pool, backend, MCP method, era and status; code is none when the "
                  "client left before there was one.");
  Family broken("mcplb_broken_replies_total", Type::counter,
                "Replies that broke after their head had been passed on.");
  Family retries("mcplb_retries_total", Type::counter,
                 "Requests that were tried again, by what allowed it.");
  each_worker([&](const proxy::WorkerMetrics& worker) {
    worker.requests.each([&](std::uint64_t key, const OwnCounter& count) {
      auto labels = backend_labels(key);
      if (!labels) return;
      const bool spilled = key == Series<int>::others;
      const RequestLabels request = RequestLabels::of(key);
      labels->emplace_back("method", spilled ? other : method_name(request.method));
      labels->emplace_back("era", spilled ? other : std::string(mcp::to_string(request.era)));
      const std::string code = request.status == 0 ? "none" : std::to_string(request.status);
      labels->emplace_back("code", spilled ? other : code);
      requests.add(*labels, as_number(count.value()));
    });
    worker.broken.each([&](std::uint64_t key, const OwnCounter& count) {
      if (const auto labels = backend_labels(key)) broken.add(*labels, as_number(count.value()));
    });
    worker.pools.each([&](std::uint64_t pool, const proxy::PoolMetrics& metrics) {
      for (std::size_t i = 0; i < metrics.retries.size(); ++i) {
        const std::string reason(to_string(static_cast<proxy::RetryReason>(i)));
        retries.add({{"pool", pool_name(pool)}, {"reason", reason}},
                    as_number(metrics.retries[i].value()));
      }
    });
  });
  finish(requests);
  finish(broken);
  finish(retries);
  add_times();
}

void Page::add_times() {
  Family durations("mcplb_request_duration_seconds", Type::histogram,
                   "From the whole request to the end of its reply, without streams that clients "
                   "keep open to wait for news.");
  Family overheads("mcplb_balancer_overhead_seconds", Type::histogram,
                   "Our own share: until the backend has the request, and from its reply's head "
                   "until the client has it.");
  each_worker([&](const proxy::WorkerMetrics& worker) {
    worker.pools.each([&](std::uint64_t pool, const proxy::PoolMetrics& metrics) {
      for (std::size_t i = 0; i < metrics.durations.size(); ++i) {
        const auto counts = metrics.durations[i].counts();
        if (counts.count() == 0) continue;
        const std::string method = method_name(static_cast<mcp::Method>(i));
        durations.add({{"pool", pool_name(pool)}, {"method", method}}, counts,
                      proxy::duration_bounds_us);
      }
      overheads.add({{"pool", pool_name(pool)}}, metrics.traffic.overheads.counts(),
                    proxy::overhead_bounds_us);
    });
  });
  finish(durations);
  finish(overheads);
}

void Page::add_own_replies() {
  Family replies("mcplb_local_replies_total", Type::counter,
                 "Replies that the balancer made by itself, by X-Mcplb-Reason.");
  for (std::size_t i = 1; i < static_cast<std::size_t>(proxy::Reason::count_); ++i) {
    std::uint64_t count = 0;
    each_worker([&](const proxy::WorkerMetrics& worker) {
      count += worker.local_replies[i].value();
    });
    const std::string reason(to_string(static_cast<proxy::Reason>(i)));
    replies.add({{"reason", reason}}, as_number(count));
  }
  finish(replies);
  Family hits("mcplb_limit_hits_total", Type::counter, "How often a bound was reached.");
  for (std::size_t i = 0; i < static_cast<std::size_t>(Limit::count_); ++i) {
    const auto limit = static_cast<Limit>(i);
    hits.add({{"limit", to_string(limit)}}, as_number(limit_hits(limit)));
  }
  finish(hits);
  add_value("mcplb_dropped_messages_total", Type::counter,
            "Answers and notifications of clients for a backend that is gone.",
            as_number(sources_.shared.stats.dropped_messages.value()));
}

void Page::add_connections() {
  add_value("mcplb_client_connections", Type::gauge, "Open connections of clients.",
            as_number(sources_.shared.connections.load(std::memory_order_relaxed)));
  Family streams("mcplb_streams", Type::gauge, "Open event streams to clients.");
  for (const auto& pool : sources_.shared.pools) {
    for (std::size_t i = 0; i < pool->streams.size(); ++i) {
      const std::string kind(to_string(static_cast<proxy::StreamKind>(i)));
      streams.add({{"pool", pool->pool.name()}, {"kind", kind}},
                  static_cast<double>(pool->streams[i].value()));
    }
  }
  finish(streams);
  const net::TlsCounts& tls = net::tls_counts();
  Family handshakes("mcplb_tls_handshakes_total", Type::counter,
                    "TLS handshakes: of clients (accepted) and with backends or the store "
                    "(connected); failed and resumed ones of both.");
  handshakes.add({{"result", "accepted"}}, as_number(tls.accepted.value()));
  handshakes.add({{"result", "connected"}}, as_number(tls.connected.value()));
  handshakes.add({{"result", "resumed"}}, as_number(tls.resumed.value()));
  handshakes.add({{"result", "failed"}}, as_number(tls.failed.value()));
  finish(handshakes);
}

void Page::add_sessions() {
  Family sessions("mcplb_sessions", Type::gauge, "Sessions by the backend that owns them.");
  each_backend([&](const MetricLabels& labels, const cluster::Backend& backend) {
    sessions.add(labels, static_cast<double>(backend.sessions()));
  });
  finish(sessions);
  Family events("mcplb_session_events_total", Type::counter, "What became of sessions.");
  for (const auto& pool : sources_.shared.pools) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(session::Event::count_); ++i) {
      const auto event = static_cast<session::Event>(i);
      events.add({{"pool", pool->pool.name()}, {"event", std::string(to_string(event))}},
                 as_number(pool->session_events.value(event)));
    }
  }
  finish(events);
}

void Page::add_backends() {
  Family up("mcplb_backend_up", Type::gauge, "1 when its checks, and its heartbeat, are good.");
  Family in_flight("mcplb_backend_in_flight", Type::gauge,
                   "Requests that wait for their reply, and open event streams.");
  Family checks("mcplb_health_checks_total", Type::counter, "Health checks by result.");
  each_backend([&](MetricLabels labels, const cluster::Backend& backend) {
    up.add(labels, backend.healthy() && !backend.silent() ? 1 : 0);
    in_flight.add(labels, backend.load());
    labels.emplace_back("result", "good");
    checks.add(labels, as_number(backend.health().checks_good.value()));
    labels.back().second = "bad";
    checks.add(labels, as_number(backend.health().checks_bad.value()));
  });
  finish(up);
  finish(in_flight);
  finish(checks);
  add_backend_states();
}

void Page::add_backend_states() {
  Family states("mcplb_backend_state", Type::gauge, "1 for the state that a backend is in.");
  each_backend([&](MetricLabels labels, const cluster::Backend& backend) {
    const admin::BackendState now = view_of(backend).state;
    labels.emplace_back("state", "");
    for (const admin::BackendState state : admin::backend_states) {
      labels.back().second = to_string(state);
      states.add(labels, state == now ? 1 : 0);
    }
  });
  finish(states);
}

void Page::add_store() {
  if (sources_.store_client == nullptr) return;
  std::vector<std::pair<const redis::Stats*, const session::StoreTimes*>> links{
      {sources_.store_client, sources_.store_times}};
  for (const proxy::WorkerProxy* worker : sources_.workers) {
    if (const auto stats = worker->store_stats()) links.emplace_back(&stats->client, &stats->times);
  }
  Family durations("mcplb_store_duration_seconds", Type::histogram,
                   "How long the shared store took to answer.");
  bool up = true;
  std::uint64_t commands = 0;
  std::uint64_t failures = 0;
  for (const auto& [client, times] : links) {
    up = up && client->connected.value() > 0;
    commands += client->commands.value();
    failures += client->failures.value();
    for (std::size_t i = 0; i < times->by_op.size(); ++i) {
      const std::string op(to_string(static_cast<session::StoreTimes::Op>(i)));
      durations.add({{"op", op}}, times->by_op[i].counts(), session::StoreTimes::bounds_us);
    }
  }
  finish(durations);
  add_value("mcplb_store_up", Type::gauge, "1 when every loop is connected to the store.",
            up ? 1 : 0);
  add_value("mcplb_store_commands_total", Type::counter, "Commands sent to the store.",
            as_number(commands));
  add_value("mcplb_store_failures_total", Type::counter,
            "Commands that got no reply, or were not sent because the store was away.",
            as_number(failures));
}

void Page::add_process() {
  Family reloads("mcplb_config_reloads_total", Type::counter, "Reloads by result.");
  reloads.add({{"result", "applied"}}, as_number(sources_.reloads.applied.value()));
  reloads.add({{"result", "refused"}}, as_number(sources_.reloads.refused.value()));
  finish(reloads);
  Family build("mcplb_build_info", Type::gauge, "1, with the version as a label.");
  build.add({{"version", MCPLB_VERSION}}, 1);
  finish(build);
  const ProcessStats process = process_stats();
  add_value("process_cpu_seconds_total", Type::counter, "CPU time of the process.",
            process.cpu_seconds);
  add_value("process_resident_memory_bytes", Type::gauge, "Memory that is resident.",
            as_number(process.resident_bytes));
  add_value("process_virtual_memory_bytes", Type::gauge, "Memory that is mapped.",
            as_number(process.virtual_bytes));
  add_value("process_open_fds", Type::gauge, "Open file descriptors.",
            as_number(process.open_fds));
  add_value("process_max_fds", Type::gauge, "How many file descriptors may be open.",
            as_number(process.max_fds));
  add_value("process_start_time_seconds", Type::gauge, "When the process started, Unix time.",
            process.start_unix_seconds);
}

}  // namespace

std::string metrics_page(const MetricsSources& sources) { return Page(sources).text(); }

}  // namespace mcplb
