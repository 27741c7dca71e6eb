// What one HTTP request means in MCP: era, kind, method, name, session. Just enough is parsed:
// one pass over the JSON-RPC envelope, in whatever order its keys come. No I/O.
// Sources: MCP 2024-11-05 to 2026-07-28, JSON-RPC 2.0.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mcplb/base/result.hpp"
#include "mcplb/http/head.hpp"

namespace mcplb::mcp {

enum class Era : std::uint8_t { none, legacy, modern };  // none: not MCP, proxied untouched

enum class Kind : std::uint8_t {
  other,         // not MCP: OAuth, /.well-known, health, JSON that is not JSON-RPC
  request,       // one JSON-RPC request (method and id)
  notification,  // method without id
  response,      // id without method: the answer to a server's request, its own POST
  batch,         // an array (2025-03-26)
  stream,        // GET that accepts text/event-stream
  del            // DELETE of a session
};

// Method names of the specification; everything else is `other`, so that label sets stay closed.
enum class Method : std::uint8_t {
  none,
  other,
  initialize,
  ping,
  server_discover,
  tools_list,
  tools_call,
  prompts_list,
  prompts_get,
  resources_list,
  resources_templates_list,
  resources_read,
  resources_subscribe,
  resources_unsubscribe,
  completion_complete,
  logging_set_level,
  subscriptions_listen,
  tasks_get,
  tasks_result,
  tasks_list,
  tasks_cancel,
  tasks_update,
  notifications_initialized,
  notifications_cancelled,
  notifications_progress,
  notifications_roots_list_changed,
  count_
};
Method method_of(std::string_view text);
std::string_view to_string(Method method);  // "tools/call"; "other"; "" for none
std::string_view to_string(Era era);
std::string_view to_string(Kind kind);

// May a request be sent again after bytes of it may already have reached a backend?
enum class Repeat : std::uint8_t { never, safe };
Repeat repeat_licence(Method method);

struct Message {
  Era era = Era::none;
  Kind kind = Kind::other;
  Method method = Method::none;
  // For a batch: whether every element may be repeated. Where no JSON-RPC method is known, GET,
  // HEAD, OPTIONS and the DELETE of a session are safe (RFC 9110 §9.2). Else
  // repeat_licence(method).
  Repeat repeat = Repeat::never;
  // Tool, prompt, resource or task that a request names; decoded, bounded by the body.
  std::string name;
  // The JSON-RPC id as it stood in the body (a JSON text: 7, "a"), empty when there is none or it
  // is longer than limits::request_id_bytes_max. For errors of our own.
  std::string id_json;
  // The session named by the request: Mcp-Session-Id, or the 2024-11-05 POST URL's query.
  // A view into the head. Empty on modern requests: they never have affinity.
  std::string_view session;
  bool endpoint_session = false;  // the session came from the query (2024-11-05)
  // What params._meta of a single message says of its trace (SEP-414), as it came; unchecked, but
  // no longer than limits::tracestate_bytes_max. Empty: nothing.
  std::string traceparent;
  std::string tracestate;

  // An `initialize` inside a session (the 2024-11-05 kind always is) opens none.
  bool opens_session() const {
    return era == Era::legacy && kind == Kind::request && method == Method::initialize &&
           session.empty();
  }
  void clear();
};

struct Refusal {
  enum class Reason : std::uint8_t { bad_request, header_mismatch };
  Reason reason = Reason::bad_request;
  const char* what = "";  // static text
};

// Reads JSON-RPC envelopes. Keeps its buffers between calls: one per worker, on its loop only.
class Classifier {
 public:
  Classifier();
  ~Classifier();
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  // `body` has at least padding_bytes of room after its end (its capacity): the JSON parser reads
  // (never uses) bytes there. True when the request may go on. False: `refusal` says why, and
  // `out.id_json` is set when it could be read.
  bool classify(const http::RequestHead& head, const std::string& body, Message& out,
                Refusal& refusal);

  static constexpr std::size_t padding_bytes = 64;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// Decodes the `=?base64?…?=` form of a mirrored header value (2026-07-28 §Headers). A value that
// is not of that form is returned as it is; an undecodable one is an error.
Result<std::string> decode_mirrored(std::string_view value);

// Bytes 0x21–0x7E, at least one (2025-03-26 §Session Management).
bool is_session_id(std::string_view text);

// `sessionId` or `session_id` of a query string: how 2024-11-05 servers name the session in the
// URL that their `endpoint` event announces. Empty when absent.
std::string_view endpoint_session(std::string_view query);

// How many parameters of a query some server may take for that name: also repeated ones, escaped
// keys, and keys with an index (`sessionId[]`).
std::size_t count_endpoint_sessions(std::string_view query);

}  // namespace mcplb::mcp
