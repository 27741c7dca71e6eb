#include "mcplb/admin/admin.hpp"

#include <utility>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/text.hpp"

#include "admin/guard.hpp"
#include "admin/path.hpp"
#include "admin/query.hpp"
#include "admin/reply.hpp"
#include "admin/token.hpp"

namespace mcplb::admin {
namespace {

using http::Method;

// Probes carry no token, and the page at / holds no data.
bool is_public(std::string_view path) {
  return path == "/" || path == "/health" || path.starts_with("/health/");
}

// HEAD is answered like GET; the writer leaves the body out.
Method as_asked(Method method) { return method == Method::head ? Method::get : method; }

std::string_view name_of(Method method) {
  switch (method) {
    case Method::get: return "GET, HEAD";
    case Method::post: return "POST";
    default: return "DELETE";
  }
}

// "POOL/BACKEND", as people write it.
std::string target_of(const std::vector<std::string_view>& parts) {
  std::string text;
  for (const std::string_view part : parts) {
    if (!text.empty()) text += '/';
    text += percent_decoded(part).value_or(std::string(part));
  }
  return text;
}

}  // namespace

const Admin::Endpoint Admin::endpoints[] = {
    {Method::get, "/", &Admin::dashboard, nullptr},
    {Method::get, "/health", &Admin::health, nullptr},
    {Method::get, "/health/live", &Admin::live, nullptr},
    {Method::get, "/health/ready", &Admin::ready, nullptr},
    {Method::get, "/metrics", &Admin::metrics, nullptr},
    {Method::get, "/config", &Admin::configuration, nullptr},
    {Method::get, "/api/state", &Admin::state, nullptr},
    {Method::get, "/api/events", nullptr, nullptr, "", &Admin::follow},
    {Method::get, "/api/sessions", &Admin::sessions, nullptr},
    {Method::get, "/api/cluster/status", &Admin::cluster_status, nullptr},
    {Method::get, "/api/cluster/nodes", &Admin::nodes, nullptr},
    {Method::get, "/api/cluster/servers/{}/replicas", &Admin::replicas, nullptr},
    {Method::get, "/api/cluster/sessions/{}", nullptr, &Admin::session},
    {Method::post, "/api/backends/{}/{}/drain", &Admin::drain, nullptr, "drain"},
    {Method::post, "/api/backends/{}/{}/activate", &Admin::activate, nullptr, "activate"},
    {Method::post, "/api/backends/{}/{}/disable", &Admin::disable, nullptr, "disable"},
    {Method::post, "/api/reload", nullptr, &Admin::reload, "reload"},
    {Method::post, "/api/cluster/nodes", &Admin::register_node, nullptr, "register"},
    {Method::post, "/api/cluster/nodes/{}/heartbeat", &Admin::heartbeat, nullptr, "heartbeat"},
    {Method::del, "/api/cluster/nodes/{}", &Admin::remove_node, nullptr, "remove"},
};

Admin::Admin(Settings settings, View view)
    : settings_(std::move(settings)),
      view_(std::move(view)) {}

Task<void> Admin::handle(const wire::Request& request, wire::ReplyWriter& writer) {
  Call call{request.head, request.body, {}};
  const Endpoint* const endpoint = find_endpoint(call);
  if (endpoint != nullptr && endpoint->stream != nullptr && !refuse(endpoint, call)) {
    co_await (this->*endpoint->stream)(call, writer);
    co_return;
  }
  auto reply = co_await answer(endpoint, call);
  if (endpoint != nullptr && !endpoint->command.empty()) {
    note_command(request, *endpoint, call, reply.status);
  }
  const auto sent = co_await writer.send(std::move(reply));
  static_cast<void>(sent);  // the connection's own flow sees that the client has left
}

const Admin::Endpoint* Admin::find_endpoint(Call& call) {
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.method != as_asked(call.head.method)) continue;
    auto parts = match_path(endpoint.path, call.head.path);
    if (!parts) continue;
    call.parts = std::move(*parts);
    return &endpoint;
  }
  return nullptr;
}

// Empty when no endpoint has the path.
std::string Admin::allowed_methods(std::string_view path) {
  std::string methods;
  for (const Endpoint& endpoint : endpoints) {
    if (!match_path(endpoint.path, path)) continue;
    if (!methods.empty()) methods += ", ";
    methods += name_of(endpoint.method);
  }
  return methods;
}

Task<wire::Reply> Admin::answer(const Endpoint* endpoint, const Call& call) {
  auto refused = refuse(endpoint, call);
  if (refused) co_return std::move(*refused);
  if (endpoint->later == nullptr) co_return (this->*endpoint->answer)(call);
  co_return co_await (this->*endpoint->later)(call);
}

// None: the endpoint may answer.
std::optional<wire::Reply> Admin::refuse(const Endpoint* endpoint, const Call& call) const {
  if (!may_see(call.head)) {
    wire::Reply reply = error_reply(401, "unauthorized", "Authorization: Bearer TOKEN needed");
    reply.fields.emplace_back("WWW-Authenticate", "Bearer realm=\"mcplb\"");
    return reply;
  }
  if (endpoint == nullptr) {
    const std::string allowed = allowed_methods(call.head.path);
    if (allowed.empty()) return error_reply(404, "not_found", "no such endpoint");
    wire::Reply reply = error_reply(405, "method_not_allowed", "this endpoint wants " + allowed);
    reply.fields.emplace_back("Allow", allowed);
    return reply;
  }
  if (endpoint->command.empty()) {
    const bool open = !settings_.token.empty() || is_public(call.head.path);
    const std::string_view why = open ? "" : rebound_name(call.head);
    if (why.empty()) return std::nullopt;
    return error_reply(403, "forbidden", why);
  }
  const std::string_view wrong = foreign_origin(call.head, !settings_.token.empty());
  if (!wrong.empty()) return error_reply(403, "forbidden", wrong);
  if (endpoint->method == Method::post && !says_json(call.head)) {
    return error_reply(415, "unsupported_media_type",
                       "commands want Content-Type: application/json");
  }
  return std::nullopt;
}

wire::Reply Admin::metrics(const Call&) const {
  wire::Reply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.fields.emplace_back("Cache-Control", "no-store");
  reply.body = view_.metrics();
  return reply;
}

wire::Reply Admin::configuration(const Call&) const {
  wire::Reply reply;
  reply.fields.emplace_back("Cache-Control", "no-store");
  reply.body = view_.configuration();
  return reply;
}

bool Admin::may_see(const http::RequestHead& head) const {
  if (settings_.token.empty() || is_public(head.path)) return true;
  return carries_token(head.fields.get(http::Name::authorization), settings_.token);
}

// The audit log. Heartbeats change nothing, and strangers may be refused any number of times.
void Admin::note_command(const wire::Request& request, const Endpoint& endpoint, const Call& call,
                         int status) {
  const bool done = status < 300;
  const bool routine = endpoint.command == "heartbeat" && done;
  if (!done && !refused_lines_.grant(monotonic_ms())) return;
  log::event(routine ? LogLevel::debug : LogLevel::info, "admin_command", "command",
             endpoint.command, "target", target_of(call.parts).substr(0, limits::audited_bytes_max),
             "result", done ? "done" : "refused",
             "status", status, "peer", request.peer);
}

}  // namespace mcplb::admin
