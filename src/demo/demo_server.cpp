#include "demo/demo_server.hpp"

#include <optional>
#include <utility>

#include "mcplb/base/text.hpp"

#include "demo/modern.hpp"

namespace mcplb::demo {
namespace {

wire::Reply plain_error(int status, int code, std::string_view text) {
  return error_reply(status, nullptr, code, text);
}

wire::Reply method_not_allowed(std::string_view allowed) {
  wire::Reply reply = plain_error(405, bad_request, "method not allowed");
  reply.fields.emplace_back("Allow", std::string(allowed));
  return reply;
}

// A page of some website may not talk to a server on this machine (DNS rebinding): only pages
// that come from this machine themselves may.
bool is_foreign_origin(const http::RequestHead& head) {
  std::string_view origin = head.fields.get("Origin");
  if (origin.empty()) return false;
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return true;
  origin.remove_prefix(scheme_end + 3);
  const bool has_port = origin.find(':') != std::string_view::npos && !origin.ends_with(']');
  const std::string_view host = has_port ? origin.substr(0, origin.rfind(':')) : origin;
  return host != "localhost" && host != "127.0.0.1" && host != "[::1]";
}

bool is_json(const http::RequestHead& head) {
  const std::string_view type = head.fields.get(http::Name::content_type);
  return equals_ignoring_case(trimmed(type.substr(0, type.find(';'))), "application/json");
}

bool names_modern_version(const http::RequestHead& head) {
  return is_modern(head, nullptr);
}

std::string negotiated_version(const Json& message) {
  std::string asked = text_member(member(message, "params"), "protocolVersion");
  return is_legacy_version(asked) ? asked : "2025-11-25";
}

Json initialize_result(const std::string& version, const std::string& replica) {
  Json result = Json::object();
  result["protocolVersion"] = version;
  result["capabilities"]["tools"] = Json::object();
  result["capabilities"]["logging"] = Json::object();
  result["serverInfo"]["name"] = "mcplb-demo";
  result["serverInfo"]["version"] = MCPLB_VERSION;
  result["instructions"] = "This session lives in the memory of " + replica + " only.";
  return result;
}

// May be called without a session, so that spreading can be seen with nothing but curl.
bool is_sessionless(const Json& message) {
  const std::string method = text_member(message, "method");
  if (method == "ping" || method == "tools/list") return true;
  const std::string tool = text_member(member(message, "params"), "name");
  return method == "tools/call" && Tools::is_sessionless(tool);
}

}  // namespace

Task<void> DemoServer::handle(const wire::Request& request, wire::ReplyWriter& writer) {
  Answer chosen = answer(request);
  if (auto* reply = std::get_if<wire::Reply>(&chosen)) {
    co_await send(writer, std::move(*reply));
  } else if (auto* call = std::get_if<LongCall>(&chosen)) {
    co_await tools_.run(std::move(*call), writer);
  } else {
    const OpenEvents opened = std::get<OpenEvents>(chosen);
    co_await send_events(opened, writer);
  }
}

DemoServer::Answer DemoServer::answer(const wire::Request& request) {
  const http::RequestHead& head = request.head;
  const bool reads = head.method == http::Method::get || head.method == http::Method::head;
  if (head.path == "/health") {
    if (!reads) return method_not_allowed("GET, HEAD");
    Json health = Json::object();
    health["status"] = "ok";
    health["replica"] = replica();
    return json_reply(200, health);
  }
  if (head.path != "/mcp") return plain_error(404, bad_request, "the endpoint is /mcp");
  if (is_foreign_origin(head)) return plain_error(403, bad_request, "origin not allowed");
  switch (head.method) {
    case http::Method::post:
      return answer_post(request);
    case http::Method::get:
      return answer_get(head);
    case http::Method::del:
      return answer_delete(head);
    default:
      return method_not_allowed("GET, POST, DELETE");
  }
}

DemoServer::Answer DemoServer::answer_post(const wire::Request& request) {
  const http::RequestHead& head = request.head;
  if (!is_json(head)) return plain_error(415, bad_request, "Content-Type: application/json needed");
  const std::optional<Json> message = parse_json(request.body);
  if (!message) return plain_error(400, parse_error, "the body is not JSON");
  if (message->is_array()) return answer_batch(head, *message);
  if (text_member(*message, "jsonrpc") != "2.0") {
    return plain_error(400, invalid_request, "the body is not a JSON-RPC 2.0 message");
  }
  if (!is_modern(head, *message)) return answer_legacy(head, *message);
  auto answered = answer_modern(head, *message, tools_);
  if (auto* reply = std::get_if<wire::Reply>(&answered)) return std::move(*reply);
  return std::move(std::get<LongCall>(answered));
}

// A GET without a session has no stream to open: 405 tells every client to do without.
DemoServer::Answer DemoServer::answer_get(const http::RequestHead& head) {
  const bool in_session = head.fields.has(http::Name::mcp_session_id);
  if (!in_session || names_modern_version(head)) return method_not_allowed("POST");
  wire::Reply refusal;
  Session* session = session_of(head, nullptr, refusal);
  if (session == nullptr) return refusal;
  if (!takes_events(head)) return plain_error(406, bad_request, "accept text/event-stream");
  if (session->inbox(Session::event_stream) != nullptr) {
    return plain_error(409, bad_request, "this session has an event stream already");
  }
  return OpenEvents{session};
}

wire::Reply DemoServer::answer_delete(const http::RequestHead& head) {
  const bool in_session = head.fields.has(http::Name::mcp_session_id);
  if (!in_session || names_modern_version(head)) return method_not_allowed("POST");
  wire::Reply reply;
  Session* session = session_of(head, nullptr, reply);
  if (session == nullptr) return reply;
  sessions_.end(*session);
  reply.content_type.clear();
  return reply;
}

Session* DemoServer::session_of(const http::RequestHead& head, const Json& id,
                                wire::Reply& refusal) {
  if (!head.fields.has(http::Name::mcp_session_id)) {
    refusal = error_reply(400, id, bad_request, "Mcp-Session-Id header is required");
    return nullptr;
  }
  const std::string_view version = head.fields.get(http::Name::mcp_protocol_version);
  if (!version.empty() && !is_legacy_version(version)) {
    refusal = error_reply(400, id, bad_request, "unsupported MCP-Protocol-Version");
    return nullptr;
  }
  Session* session = sessions_.find(head.fields.get(http::Name::mcp_session_id));
  if (session == nullptr) refusal = error_reply(404, id, session_not_found, "Session not found");
  return session;
}

DemoServer::Answer DemoServer::answer_legacy(const http::RequestHead& head, const Json& message) {
  const std::string method = text_member(message, "method");
  const Json& id = member(message, "id");
  const bool is_request = !method.empty() && is_request_id(id);
  if (!method.empty() && !is_request && !id.is_null()) {
    return plain_error(400, invalid_request, "an id is a string or an integer");
  }
  const bool in_session = head.fields.has(http::Name::mcp_session_id);
  if (method == "initialize" && !in_session) return initialize(message, in_session);
  if (is_request && !in_session && is_sessionless(message)) {
    return answer_request(head, message, nullptr);
  }
  wire::Reply refusal;
  Session* session = session_of(head, id, refusal);
  if (session == nullptr) return refusal;
  if (method == "initialize") return initialize(message, in_session);
  if (is_request) return answer_request(head, message, session);
  if (method.empty()) deliver(message, *session);
  return accepted_reply();
}

wire::Reply DemoServer::initialize(const Json& message, bool in_session) {
  const Json& id = member(message, "id");
  if (in_session || !is_request_id(id)) {
    return error_reply(400, id, invalid_request, "initialize opens a session, and needs an id");
  }
  const std::string version = negotiated_version(message);
  Json capabilities = member(member(message, "params"), "capabilities");
  Session* session = sessions_.open(version, std::move(capabilities));
  if (session == nullptr) return error_reply(503, id, bad_request, "too many sessions");
  const Json result = initialize_result(version, replica());
  wire::Reply reply = json_reply(200, result_message(id, result));
  reply.fields.emplace_back("Mcp-Session-Id", session->id());
  return reply;
}

DemoServer::Answer DemoServer::answer_request(const http::RequestHead& head, const Json& message,
                                              Session* session) {
  Outcome outcome = legacy_outcome(message, session);
  if (auto* response = std::get_if<Json>(&outcome)) return json_reply(200, *response);
  LongCall call = std::move(std::get<LongCall>(outcome));
  call.takes_events = takes_events(head);
  outcome = tools_.call(std::move(call));
  if (auto* response = std::get_if<Json>(&outcome)) return json_reply(200, *response);
  return std::move(std::get<LongCall>(outcome));
}

// A tool call comes back as it is: whether it may be long depends on how it was sent.
Outcome DemoServer::legacy_outcome(const Json& message, Session* session) const {
  const std::string method = text_member(message, "method");
  const Json& id = member(message, "id");
  if (method == "ping" || method == "logging/setLevel") {
    return result_message(id, Json::object());
  }
  if (method == "tools/list") {
    Json result = Json::object();
    result["tools"] = Tools::definitions(/*modern=*/false);
    return result_message(id, std::move(result));
  }
  if (method != "tools/call") {
    return error_message(id, method_not_found, "unknown method: " + method);
  }
  LongCall call;
  call.id = id;
  call.params = member(message, "params");
  call.session = session;
  return call;
}

// Only 2025-03-26 has batches. Their tools answer at once: there is one reply for all of them.
wire::Reply DemoServer::answer_batch(const http::RequestHead& head, const Json& batch) {
  wire::Reply refusal;
  Session* session = session_of(head, nullptr, refusal);
  if (session == nullptr) return refusal;
  const bool fits = !batch.empty() && batch.size() <= batch_elements_max;
  if (session->version() != "2025-03-26" || !fits) {
    return plain_error(400, invalid_request, "no such batch in this version");
  }
  Json responses = Json::array();
  for (const Json& message : batch) {
    const Json& id = member(message, "id");
    if (!member(message, "method").is_string()) {
      deliver(message, *session);
      continue;
    }
    if (!is_request_id(id)) continue;
    Outcome outcome = legacy_outcome(message, session);
    if (auto* call = std::get_if<LongCall>(&outcome)) outcome = tools_.call(std::move(*call));
    const auto* response = std::get_if<Json>(&outcome);
    responses.push_back(response != nullptr ? *response
                                            : error_message(id, invalid_params,
                                                            "call this tool outside of a batch"));
  }
  return responses.empty() ? accepted_reply() : json_reply(200, responses);
}

// An answer that nobody waits for is dropped: its tool may have given up a moment ago.
void DemoServer::deliver(const Json& response, Session& session) {
  const Json& id = member(response, "id");
  if (!id.is_number_integer()) return;
  const std::int64_t key = id.get<std::int64_t>();
  Inbox* waiting = key == Session::event_stream ? nullptr : session.inbox(key);
  if (waiting != nullptr) waiting->put(response);
}

Task<void> DemoServer::send_events(OpenEvents opened, wire::ReplyWriter& writer) {
  Inbox inbox(loop_, *opened.session, Session::event_stream);
  wire::Reply head = events_head();
  const auto begun = co_await writer.begin(std::move(head));
  bool writable = static_cast<bool>(begun);
  while (writable && !inbox.closed()) {
    const Deadline silence = loop_.timers().in(stream_silence_max);
    co_await inbox.arrived(silence);
    const std::optional<Json> message = inbox.take();
    if (!message && inbox.closed()) break;
    std::string text = message ? event_text(*message) : ": keep-alive\n\n";
    const auto written = co_await writer.write(std::move(text));
    writable = static_cast<bool>(written);
  }
  if (!writable) co_return;
  const auto finished = co_await writer.finish();
  static_cast<void>(finished);
}

}  // namespace mcplb::demo
