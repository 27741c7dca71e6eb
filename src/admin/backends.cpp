// What operators ask of backends, and the backends as nodes of a cluster.
#include <ctime>
#include <map>
#include <utility>

#include "mcplb/admin/admin.hpp"

#include "admin/backend_json.hpp"
#include "admin/query.hpp"
#include "admin/reply.hpp"

namespace mcplb::admin {
namespace {

std::string_view node_status(const BackendView& backend) {
  switch (backend.state) {
    case BackendState::up:
    case BackendState::starting: return "active";
    case BackendState::draining: return "draining";
    case BackendState::disabled: return "disabled";
    case BackendState::down:
    case BackendState::ejected: break;
  }
  return "unhealthy";
}

// A backend of several pools is one node.
Json node_json(const BackendView& backend, const std::string& pool) {
  Json node = Json::object();
  node["id"] = backend.id;
  node["name"] = backend.name.empty() ? backend.id : backend.name;
  node["url"] = backend.url;
  node["pools"] = Json::array({pool});
  node["weight"] = backend.weight;
  node["status"] = node_status(backend);
  node["sessions"] = backend.sessions;
  if (backend.last_heartbeat_millis) {
    const std::int64_t now = static_cast<std::int64_t>(std::time(nullptr)) * 1000;
    node["lastHeartbeat"] = now - *backend.last_heartbeat_millis;
  }
  return node;
}

}  // namespace

wire::Reply Admin::change(const Call& call, BackendMode mode) const {
  BackendCommand command;
  command.pool = percent_decoded(call.parts[0]).value_or("");
  command.backend = percent_decoded(call.parts[1]).value_or("");
  command.mode = mode;
  const std::vector<PoolView> pools = view_.pools();
  const PoolView* const pool = find_pool(pools, command.pool);
  if (pool == nullptr) {
    return command_failure(404, "no_such_pool", no_such_pool(pools, command.pool));
  }
  if (find_backend(*pool, command.backend) == nullptr) {
    return command_failure(404, "no_such_backend", no_such_backend(*pool, command.backend));
  }
  const auto changed = view_.change_backend(command);
  if (!changed) return command_failure(409, "not_changed", changed.error().what);
  Json data = Json::object();
  data["pool"] = command.pool;
  data["backend"] = command.backend;
  data["mode"] = to_string(changed->mode);
  data["state"] = to_string(changed->state);
  data["sessions"] = changed->sessions;
  data["streams"] = changed->streams;
  data["in_flight"] = changed->in_flight;
  return data_reply(std::move(data));
}

Task<wire::Reply> Admin::reload(const Call&) const {
  auto answer = co_await view_.reload();
  if (answer.outcome == ReloadAnswer::Outcome::done) {
    Json data = Json::object();
    data["message"] = answer.message;
    data["changed"] = answer.keys;
    co_return data_reply(std::move(data));
  }
  const bool invalid = answer.outcome == ReloadAnswer::Outcome::invalid;
  Json body = Json::object();
  body["success"] = false;
  body["error"] = invalid ? "invalid" : "refused";
  body["message"] = answer.message;
  body["keys"] = answer.keys;
  co_return json_reply(invalid ? 422 : 409, body);
}

wire::Reply Admin::nodes(const Call& call) const {
  const bool only_active = parameter(call.head.query, "active") == "true";
  Json nodes = Json::array();
  std::map<std::pair<std::string, std::string>, std::size_t> seen;  // by id and url
  for (const PoolView& pool : view_.pools()) {
    for (const BackendView& backend : pool.backends) {
      Json node = node_json(backend, pool.name);
      if (only_active && node["status"] != "active") continue;
      const auto [place, added] = seen.try_emplace({backend.id, backend.url}, nodes.size());
      if (added) {
        nodes.push_back(std::move(node));
        continue;
      }
      Json& known = nodes[place->second];
      known["pools"].push_back(pool.name);
      known["sessions"] = known["sessions"].get<std::int64_t>() + backend.sessions;
      // A node is as well as it is anywhere.
      if (node["status"] == "active") known["status"] = "active";
    }
  }
  return data_reply(std::move(nodes));
}

wire::Reply Admin::replicas(const Call& call) const {
  const std::string name = percent_decoded(call.parts[0]).value_or("");
  const std::vector<PoolView> pools = view_.pools();
  const PoolView* const pool = find_pool(pools, name);
  if (pool == nullptr) return failure_reply(404, no_such_pool(pools, name));
  Json nodes = Json::array();
  for (const BackendView& backend : pool->backends)
    nodes.push_back(node_json(backend, pool->name));
  return data_reply(std::move(nodes));
}

}  // namespace mcplb::admin
