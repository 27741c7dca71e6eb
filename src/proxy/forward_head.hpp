// The heads that travel on: a client's request as the backend sees it, and a backend's reply as
// the client sees it. Always written from the parsed model.
#pragma once

#include <string>
#include <string_view>

#include "mcplb/http/head.hpp"
#include "mcplb/net/address.hpp"

namespace mcplb::proxy {

// What a request's head needs beyond the client's own fields.
struct RequestForwarding {
  std::string_view target;      // as the backend sees it
  std::string_view client_ip;
  std::string_view request_id;
  std::string_view session;     // what the owner calls it; empty: Mcp-Session-Id stays as it is
  bool drops_session = false;   // Mcp-Session-Id names one that was not checked
  std::size_t body_bytes = 0;
  bool client_trusted = false;  // its X-Forwarded-* and X-Real-IP are believed
  bool client_https = false;    // it reached us over TLS
  bool is_mcp = false;
  bool drops_last_event_id = false;  // the backend never had that event
  std::string_view default_host;  // for HTTP/1.0 requests without Host
  std::string_view traceparent;   // replaces the client's, and its tracestate; empty: both stay
  std::string_view tracestate;
};
void append_backend_head(std::string& out, const http::RequestHead& request,
                         const RequestForwarding& forwarding);
// Only the lines that say who the client is: its credentials, whatever they are called, and how it
// reached us. For a request of our own in its name.
void append_identity_fields(std::string& out, const http::RequestHead& request,
                            const RequestForwarding& forwarding);

// How the reply's body is framed for this client.
enum class ClientFraming : std::uint8_t { none, length, chunked, until_close };
ClientFraming client_framing(const http::ReplyHead& reply, const http::RequestHead& request);

struct ReplyForwarding {
  ClientFraming framing = ClientFraming::none;
  std::string_view request_id;
  std::string_view session;     // what the client calls it; empty: Mcp-Session-Id stays as it is
  std::string_view set_cookie;  // a whole Set-Cookie value, empty: none
  bool moved = false;           // the session has another owner since the last reply
  bool close = false;           // we close the connection after this reply
  int client_minor_version = 1;
};
void append_client_head(std::string& out, const http::ReplyHead& reply,
                        const ReplyForwarding& forwarding);
// An interim reply (1xx): no body, no framing.
void append_interim_head(std::string& out, const http::ReplyHead& reply);

// Who the client is when the peer is a trusted proxy: the last address of X-Forwarded-For that is
// not a trusted proxy itself; `peer` when there is none.
std::string_view forwarded_client(const http::Fields& fields, const net::Networks& trusted,
                                  std::string_view peer);

// The value of a cookie in the request, empty when absent (RFC 6265 §5.4).
std::string_view cookie_value(const http::Fields& fields, std::string_view name);

}  // namespace mcplb::proxy
