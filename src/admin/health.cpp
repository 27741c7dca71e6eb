// How the process is, for probes and at a glance.
#include <algorithm>

#include "mcplb/admin/admin.hpp"

#include "admin/health_json.hpp"
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

}  // namespace

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

}  // namespace mcplb::admin
