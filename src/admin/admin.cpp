#include "mcplb/admin/admin.hpp"

#include <algorithm>
#include <utility>

#include "admin/reply.hpp"
#include "admin/token.hpp"

namespace mcplb::admin {
namespace {

constexpr std::string_view session_path = "/api/cluster/sessions/";

wire::Reply status_reply(int status, const char* text) {
  Json body = Json::object();
  body["status"] = text;
  return json_reply(status, body);
}

// Probes carry no token, and the page at / holds no data.
bool is_public(std::string_view path) {
  return path == "/" || path == "/health" || path.starts_with("/health/");
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

}  // namespace

const Admin::Endpoint Admin::endpoints[] = {
    {"/health", &Admin::health},
    {"/health/live", &Admin::live},
    {"/health/ready", &Admin::ready},
    {"/api/sessions", &Admin::sessions},
    {"/api/cluster/status", &Admin::cluster_status},
};

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

Admin::Admin(Settings settings, View view)
    : settings_(std::move(settings)),
      view_(std::move(view)) {}

Task<void> Admin::handle(const wire::Request& request, wire::ReplyWriter& writer) {
  const http::RequestHead& head = request.head;
  auto reply = refuse(head);
  if (!reply && head.path.starts_with(session_path)) {
    auto answered = co_await session(head.path.substr(session_path.size()), head.query);
    reply = std::move(answered);
  }
  if (!reply) reply = (this->*find_endpoint(head.path)->answer)(head.query);
  const auto sent = co_await writer.send(std::move(*reply));
  static_cast<void>(sent);  // the connection's own flow sees that the client has left
}

const Admin::Endpoint* Admin::find_endpoint(std::string_view path) {
  const auto has_path = [path](const Endpoint& endpoint) {
    return endpoint.path == path;
  };
  const auto* const found = std::find_if(std::begin(endpoints), std::end(endpoints), has_path);
  return found == std::end(endpoints) ? nullptr : found;
}

std::optional<wire::Reply> Admin::refuse(const http::RequestHead& head) const {
  if (!may_see(head)) {
    wire::Reply reply = error_reply(401, "unauthorized", "Authorization: Bearer TOKEN needed");
    reply.fields.emplace_back("WWW-Authenticate", "Bearer realm=\"mcplb\"");
    return reply;
  }
  if (find_endpoint(head.path) == nullptr && !head.path.starts_with(session_path)) {
    return error_reply(404, "not_found", "no such endpoint");
  }
  if (head.method != http::Method::get && head.method != http::Method::head) {
    wire::Reply reply = error_reply(405, "method_not_allowed", "this endpoint is read with GET");
    reply.fields.emplace_back("Allow", "GET, HEAD");
    return reply;
  }
  return std::nullopt;
}

bool Admin::may_see(const http::RequestHead& head) const {
  if (settings_.token.empty() || is_public(head.path)) return true;
  return carries_token(head.fields.get(http::Name::authorization), settings_.token);
}

wire::Reply Admin::health(std::string_view) const {
  const HealthReport report = view_.health();
  const std::string_view status = status_of(report);
  Json body = Json::object();
  body["status"] = std::string(status);
  body["instance"] = report.instance;
  body["version"] = report.version;
  body["uptime_seconds"] = report.uptime_seconds;
  body["active_sessions"] = report.active_sessions;
  body["pools"] = Json::array();
  for (const PoolHealth& pool : report.pools)
    body["pools"].push_back(pool_json(pool));
  body["store"] = store_json(report.store);
  return json_reply(status == "unhealthy" ? 503 : 200, body);
}

// Whoever can answer is alive: a process that cannot serve anybody still need not be restarted.
wire::Reply Admin::live(std::string_view) const {
  return status_reply(200, "alive");
}

wire::Reply Admin::ready(std::string_view) const {
  return view_.ready() ? status_reply(200, "ready") : status_reply(503, "not_ready");
}

}  // namespace mcplb::admin
