// What the admin API tells of sessions.
#include <ctime>
#include <utility>

#include "mcplb/admin/admin.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

#include "admin/query.hpp"
#include "admin/reply.hpp"

namespace mcplb::admin {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

void add_figures(Json& body, const SessionView& session) {
  body["age_seconds"] = or_null(session.age_seconds);
  body["idle_seconds"] = session.idle_seconds;
  body["in_flight"] = or_null(session.in_flight);
  body["streams"] = or_null(session.streams);
  body["generation"] = session.generation;
  body["protocol"] = or_null(session.protocol);
}

Json row(const SessionView& session) {
  Json body = Json::object();
  body["session"] = session.hash;
  body["pool"] = session.pool;
  body["backend"] = or_null(session.backend);
  add_figures(body, session);
  return body;
}

Json details(const SessionAnswer& answer) {
  const SessionView& session = answer.session;
  Json body = Json::object();
  body["session"] = session.hash;
  body["pool"] = session.pool;
  body["owner"] = or_null(session.backend);
  body["nodeId"] = or_null(session.backend);
  add_figures(body, session);
  body["last_seen"] = static_cast<std::int64_t>(std::time(nullptr)) - session.idle_seconds;
  body["known"] = answer.known == SessionAnswer::Known::memory ? "memory" : "store";
  return body;
}

}  // namespace

wire::Reply Admin::sessions(const Call& call) const {
  const std::string_view query = call.head.query;
  SessionsQuery asked;
  asked.pool = parameter(query, "pool");
  asked.after = parameter(query, "after");
  const std::string limit = parameter(query, "limit");
  if (!limit.empty()) asked.limit = parse_decimal(limit).value_or(0);
  if (asked.limit < 1 || asked.limit > limits::admin_page_max) {
    return error_reply(400, "bad_request", "limit is a number from 1 to 1000");
  }
  const SessionsAnswer answer = view_.sessions(asked);
  if (answer.outcome == SessionsAnswer::Outcome::no_such_pool) {
    return error_reply(404, "no_such_pool", "no pool has this name");
  }
  if (answer.outcome == SessionsAnswer::Outcome::bad_cursor) {
    return error_reply(400, "bad_request", "after is the next of the page before");
  }
  Json body = Json::object();
  body["sessions"] = Json::array();
  for (const SessionView& session : answer.sessions)
    body["sessions"].push_back(row(session));
  body["next"] = or_null(answer.next);
  body["total"] = answer.total;
  return json_reply(200, body);
}

Task<wire::Reply> Admin::session(const Call& call) const {
  auto decoded = percent_decoded(call.parts[0]);
  if (!decoded || decoded->empty() || decoded->size() > limits::session_id_bytes_max) {
    co_return failure_reply(400, "the path does not end in a session id");
  }
  SessionQuery asked;
  asked.id = std::move(*decoded);
  asked.pool = parameter(call.head.query, "pool");
  auto answer = co_await view_.session(std::move(asked));
  switch (answer.known) {
    case SessionAnswer::Known::memory:
    case SessionAnswer::Known::store: break;
    case SessionAnswer::Known::nowhere: co_return failure_reply(404, "session not found");
    case SessionAnswer::Known::store_away:
      co_return failure_reply(503, "not known here, and the store cannot be asked");
  }
  co_return data_reply(details(answer));
}

// For tools that know this vocabulary: a node is a backend, a server is a pool.
wire::Reply Admin::cluster_status(const Call&) const {
  const HealthReport report = view_.health();
  std::size_t nodes = 0;
  std::size_t active = 0;
  for (const PoolHealth& pool : report.pools) {
    nodes += pool.backends;
    active += pool.usable;
  }
  Json data = Json::object();
  data["enabled"] = true;
  data["mode"] = "coordinator";
  data["nodeId"] = report.instance;
  data["stats"]["nodes"] = nodes;
  data["stats"]["activeNodes"] = active;
  data["stats"]["servers"] = report.pools.size();
  data["stats"]["sessions"] = report.active_sessions;
  return data_reply(std::move(data));
}

}  // namespace mcplb::admin
