#include "proxy/local_reply.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "mcplb/http/writer.hpp"

namespace mcplb::proxy {
namespace {

struct Row {
  std::string_view name;
  int status;
  int code;           // JSON-RPC; ours lie outside the range that the specification reserves
  bool retry_after;   // our own trouble, over in a moment
  const char* text;   // when the caller has nothing more exact to say
};

// In the order of Reason.
constexpr std::array<Row, 15> rows{{
    {"none", 500, -32603, false, "internal error"},
    {"no_route", 404, -31016, false, "no pool is configured for this listener, host and path"},
    {"session_unknown", 404, -32001, false, "session not found: initialize again"},
    {"no_backend", 503, -31010, true, "no backend of the pool is usable"},
    {"owner_unavailable", 503, -31011, true, "the session's backend does not answer"},
    {"backend_lost", 502, -31012, false, "the connection to the backend broke"},
    {"backend_timeout", 504, -31013, false, "the backend did not answer in time"},
    {"overloaded", 503, -31014, true, "a limit of the balancer is reached"},
    {"bad_request", 400, -32600, false, "malformed request"},
    {"request_timeout", 408, -32600, false, "the request did not arrive in time"},
    {"head_too_large", 431, -32600, false, "request head too large"},
    {"body_too_large", 413, -32600, false, "request body too large"},
    {"header_mismatch", 400, -32020, false, "headers contradict the body"},
    {"session_conflict", 502, -31017, false,
     "the backend minted a session id that is live on another backend: use identity: sealed"},
    {"store_unavailable", 503, -31015, true,
     "the store that may know the session's owner cannot be asked"},
}};

const Row& row(Reason reason) { return rows[static_cast<std::size_t>(reason)]; }

std::string json_rpc_error(const LocalReply& reply, std::string_view id_json) {
  const Row& entry = row(reply.reason);
  nlohmann::json error;
  error["code"] = entry.code;
  error["message"] = *reply.what != '\0' ? reply.what : entry.text;
  error["data"]["reason"] = entry.name;
  if (reply.outcome == Outcome::not_sent) error["data"]["outcome"] = "not_sent";
  if (reply.outcome == Outcome::unknown) error["data"]["outcome"] = "unknown";
  // The id is spliced in as it stood in the request: it is a JSON text already.
  std::string body = R"({"jsonrpc":"2.0","id":)";
  body += id_json.empty() ? "null" : id_json;
  body += ",\"error\":";
  body += error.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  body += "}";
  return body;
}

}  // namespace

std::string_view to_string(Reason reason) { return row(reason).name; }
int status_of(Reason reason) { return row(reason).status; }

LocalReply reply_to_bad_request(const Error& error) {
  switch (error.kind) {
    case Error::Kind::head_too_large: return {Reason::head_too_large, error.what, {}};
    case Error::Kind::body_too_large: return {Reason::body_too_large, error.what, {}};
    case Error::Kind::timeout: return {Reason::request_timeout, "", {}};
    default: return {Reason::bad_request, error.what, {}};
  }
}

std::string render(const LocalReply& reply, const http::RequestHead& request,
                   std::string_view id_json, std::string_view request_id, bool close) {
  const Row& entry = row(reply.reason);
  const bool to_post = request.method == http::Method::post;
  std::string body;
  if (to_post) {
    body = json_rpc_error(reply, id_json);
  } else {
    body = std::string(entry.name) + ": " + (*reply.what != '\0' ? reply.what : entry.text) + "\n";
  }
  std::string bytes;
  http::append_status_line(bytes, 1, entry.status, http::reason_phrase(entry.status));
  http::append_date(bytes);
  http::append_field(bytes, "X-Mcplb-Reason", entry.name);
  if (!request_id.empty()) http::append_field(bytes, "X-Request-Id", request_id);
  if (entry.retry_after) http::append_field(bytes, "Retry-After", 1);
  http::append_field(bytes, "Content-Type", to_post ? "application/json" : "text/plain");
  http::append_field(bytes, "Content-Length", body.size());
  if (close) {
    http::append_field(bytes, "Connection", "close");
  } else if (request.minor_version == 0) {
    http::append_field(bytes, "Connection", "keep-alive");
  }
  bytes += "\r\n";
  if (request.method != http::Method::head) bytes += body;
  return bytes;
}

}  // namespace mcplb::proxy
