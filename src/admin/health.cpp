// How the process is, for probes and at a glance.
#include <algorithm>

#include "mcplb/admin/admin.hpp"

#include "admin/backend_json.hpp"
#include "admin/query.hpp"
#include "admin/reply.hpp"

namespace mcplb::admin {
namespace {

wire::Reply status_reply(int status, const char* text) {
  Json body = Json::object();
  body["status"] = text;
  return json_reply(status, body);
}

std::string_view status_of_pool(const PoolHealth& pool) {
  if (pool.usable == 0) return "unhealthy";
  return pool.usable < pool.backends ? "degraded" : "healthy";
}

Json pool_json(const PoolHealth& pool) {
  Json body = Json::object();
  body["name"] = pool.name;
  body["status"] = std::string(status_of_pool(pool));
  body["backends"]["total"] = pool.backends;
  body["backends"]["usable"] = pool.usable;
  body["sessions"] = pool.sessions;
  return body;
}

Json store_json(const StoreHealth& store) {
  Json body = Json::object();
  body["kind"] = store.kind;
  if (store.kind == "memory") return body;
  body["status"] = store.connected ? "connected" : "unreachable";
  body["waiting"] = store.waiting;
  return body;
}

Json general_json(const HealthReport& report) {
  Json body = Json::object();
  body["status"] = std::string(status_of(report));
  body["instance"] = report.instance;
  body["version"] = report.version;
  body["uptime_seconds"] = report.uptime_seconds;
  body["active_sessions"] = report.active_sessions;
  return body;
}

}  // namespace

std::string_view status_of(const HealthReport& report) {
  const auto is_usable = [](const PoolHealth& pool) {
    return pool.usable > 0;
  };
  const auto is_whole = [](const PoolHealth& pool) {
    return status_of_pool(pool) == "healthy";
  };
  if (std::none_of(report.pools.begin(), report.pools.end(), is_usable)) return "unhealthy";
  const bool whole = report.store.connected &&
                     std::all_of(report.pools.begin(), report.pools.end(), is_whole);
  return whole ? "healthy" : "degraded";
}

wire::Reply Admin::health(const Call&) const {
  const HealthReport report = view_.health();
  Json body = general_json(report);
  body["pools"] = Json::array();
  for (const PoolHealth& pool : report.pools)
    body["pools"].push_back(pool_json(pool));
  body["store"] = store_json(report.store);
  return json_reply(status_of(report) == "unhealthy" ? 503 : 200, body);
}

// Whoever can answer is alive: a process that cannot serve anybody still need not be restarted.
wire::Reply Admin::live(const Call&) const { return status_reply(200, "alive"); }

wire::Reply Admin::ready(const Call&) const {
  return view_.ready() ? status_reply(200, "ready") : status_reply(503, "not_ready");
}

// Everything that a page about this process shows, of all pools or of one.
wire::Reply Admin::state(const Call& call) const {
  const std::string only = parameter(call.head.query, "pool");
  const HealthReport report = view_.health();
  const std::vector<PoolView> pools = view_.pools();
  if (!only.empty() && find_pool(pools, only) == nullptr) {
    return error_reply(404, "no_such_pool", no_such_pool(pools, only));
  }
  Json body = general_json(report);
  body["store"] = store_json(report.store);
  body["pools"] = Json::array();
  for (const PoolHealth& health : report.pools) {
    if (!only.empty() && health.name != only) continue;
    Json pool = pool_json(health);
    pool["usable"] = health.usable;
    pool["backends"] = Json::array();
    const PoolView* const view = find_pool(pools, health.name);
    if (view != nullptr) {
      for (const BackendView& backend : view->backends)
        pool["backends"].push_back(backend_json(backend));
    }
    body["pools"].push_back(std::move(pool));
  }
  return json_reply(200, body);
}

}  // namespace mcplb::admin
