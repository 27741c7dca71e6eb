#include "proxy/forward_head.hpp"

#include "mcplb/base/text.hpp"
#include "mcplb/http/header_rules.hpp"
#include "mcplb/http/writer.hpp"

namespace mcplb::proxy {
namespace {

using http::Name;

// Fields that this hop writes itself, or that must not travel.
bool rewritten_in_request(const http::Field& field, const RequestForwarding& forwarding) {
  switch (field.id) {
    case Name::host:
    case Name::content_length:
    case Name::transfer_encoding:
    case Name::expect:  // answered here
    case Name::te:
    case Name::trailer:
    case Name::x_forwarded_for:
    case Name::x_request_id: return true;
    case Name::mcp_session_id: return forwarding.drops_session || !forwarding.session.empty();
    // A moved session's id is rewritten in bodies that we must be able to read.
    case Name::accept_encoding: return forwarding.is_mcp;
    case Name::last_event_id: return forwarding.drops_last_event_id;
    case Name::traceparent:
    case Name::tracestate: return !forwarding.traceparent.empty();
    case Name::x_forwarded_host:
    case Name::x_forwarded_proto:
    case Name::x_real_ip: return !forwarding.client_trusted;
    default: return false;
  }
}

void append_forwarded_for(std::string& out, const http::RequestHead& request,
                          std::string_view client_ip) {
  out += "X-Forwarded-For: ";
  for (const http::Field& field : request.fields) {
    if (field.id != Name::x_forwarded_for || field.value.empty()) continue;
    out += field.value;
    out += ", ";
  }
  out += client_ip;
  out += "\r\n";
}

bool kept(const http::RequestHead& request, const RequestForwarding& forwarding, Name id) {
  return forwarding.client_trusted && request.fields.has(id);
}

// Who the client is and how it reached us, for a backend that sees only this balancer.
void append_client_fields(std::string& out, const http::RequestHead& request,
                          const RequestForwarding& forwarding) {
  append_forwarded_for(out, request, forwarding.client_ip);
  if (!kept(request, forwarding, Name::x_forwarded_proto)) {
    out += forwarding.client_https ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n";
  }
  if (!request.authority.empty() && !kept(request, forwarding, Name::x_forwarded_host)) {
    http::append_field(out, "X-Forwarded-Host", request.authority);
  }
  if (!kept(request, forwarding, Name::x_real_ip)) {
    http::append_field(out, "X-Real-IP", forwarding.client_ip);
  }
  http::append_field(out, "X-Request-Id", forwarding.request_id);
  if (forwarding.traceparent.empty()) return;
  http::append_field(out, "traceparent", forwarding.traceparent);
  if (!forwarding.tracestate.empty()) {
    http::append_field(out, "tracestate", forwarding.tracestate);
  }
}

// Mcp-Session-Id as the next hop knows the session, for each field of that name.
void append_renamed_session(std::string& out, const http::Fields& fields,
                            std::string_view session) {
  if (session.empty()) return;
  for (const http::Field& field : fields) {
    if (field.id == Name::mcp_session_id) http::append_field(out, field.name, session);
  }
}

// Of this one request, not of its client.
bool describes_message(Name id) {
  switch (id) {
    case Name::accept:
    case Name::accept_encoding:
    case Name::content_encoding:
    case Name::content_type:
    case Name::last_event_id:
    case Name::mcp_method:
    case Name::mcp_name:
    case Name::mcp_protocol_version:
    case Name::mcp_session_id: return true;
    default: return false;
  }
}

bool expects_body(http::Method method) {
  return method == http::Method::post || method == http::Method::put ||
         method == http::Method::patch;
}

}  // namespace

void append_backend_head(std::string& out, const http::RequestHead& request,
                         const RequestForwarding& forwarding) {
  out += request.method_text;
  out += ' ';
  out += forwarding.target;
  out += " HTTP/1.1\r\n";
  const std::string_view host =
      request.authority.empty() ? forwarding.default_host : request.authority;
  http::append_field(out, "Host", host);
  const http::HopByHop hop_by_hop(request.fields);
  http::append_fields(out, request.fields, [&](const http::Field& field) {
    return !rewritten_in_request(field, forwarding) && !hop_by_hop.covers(field);
  });
  if (!forwarding.drops_session) {
    append_renamed_session(out, request.fields, forwarding.session);
  }
  append_client_fields(out, request, forwarding);
  if (request.accepts_trailers) out += "TE: trailers\r\nConnection: TE\r\n";
  if (request.framing != http::Framing::none || expects_body(request.method)) {
    http::append_field(out, "Content-Length", forwarding.body_bytes);
  }
  out += "\r\n";
}

void append_identity_fields(std::string& out, const http::RequestHead& request,
                            const RequestForwarding& forwarding) {
  const http::HopByHop hop_by_hop(request.fields);
  http::append_fields(out, request.fields, [&](const http::Field& field) {
    return !describes_message(field.id) && !rewritten_in_request(field, forwarding) &&
           !hop_by_hop.covers(field);
  });
  append_client_fields(out, request, forwarding);
}

ClientFraming client_framing(const http::ReplyHead& reply, const http::RequestHead& request) {
  switch (reply.framing) {
    case http::Framing::none: return ClientFraming::none;
    case http::Framing::length: return ClientFraming::length;
    case http::Framing::chunked:
    case http::Framing::until_close: break;
  }
  return request.minor_version > 0 ? ClientFraming::chunked : ClientFraming::until_close;
}

void append_client_head(std::string& out, const http::ReplyHead& reply,
                        const ReplyForwarding& forwarding) {
  http::append_status_line(out, 1, reply.status, reply.reason);
  const http::HopByHop hop_by_hop(reply.fields);
  const bool announces_length = reply.has_content_length && reply.status != 204 &&
                                (forwarding.framing == ClientFraming::length ||
                                 forwarding.framing == ClientFraming::none);
  http::append_fields(out, reply.fields, [&](const http::Field& field) {
    const bool renamed = field.id == Name::mcp_session_id && !forwarding.session.empty();
    return field.id != Name::content_length && field.id != Name::transfer_encoding &&
           field.id != Name::x_request_id && !renamed && !hop_by_hop.covers(field);
  });
  append_renamed_session(out, reply.fields, forwarding.session);
  if (!reply.fields.has(Name::date)) http::append_date(out);
  http::append_field(out, "X-Request-Id", forwarding.request_id);
  if (forwarding.moved) out += "X-Mcplb-Session: moved\r\n";
  if (!forwarding.set_cookie.empty()) http::append_field(out, "Set-Cookie", forwarding.set_cookie);
  if (announces_length) http::append_field(out, "Content-Length", reply.content_length);
  if (forwarding.framing == ClientFraming::chunked) out += "Transfer-Encoding: chunked\r\n";
  if (forwarding.close) {
    out += "Connection: close\r\n";
  } else if (forwarding.client_minor_version == 0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

void append_interim_head(std::string& out, const http::ReplyHead& reply) {
  http::append_status_line(out, 1, reply.status, reply.reason);
  const http::HopByHop hop_by_hop(reply.fields);
  http::append_fields(out, reply.fields, [&](const http::Field& field) {
    return field.id != Name::content_length && field.id != Name::transfer_encoding &&
           !hop_by_hop.covers(field);
  });
  out += "\r\n";
}

std::string_view forwarded_client(const http::Fields& fields, const net::Networks& trusted,
                                  std::string_view peer) {
  std::string_view client = peer;
  bool certain = false;
  // Each hop appended to the right, so the last line and element come first.
  for (const http::Field& field : fields) {
    if (field.id != Name::x_forwarded_for) continue;
    for_each_list_element(field.value, [&](std::string_view element) {
      const auto address = net::Address::from_ip(element, 0);
      const bool is_proxy = address && trusted.contains(*address);
      if (!is_proxy) client = element;
      certain = certain || !is_proxy;
      return true;
    });
  }
  return certain ? client : peer;
}

std::string_view cookie_value(const http::Fields& fields, std::string_view name) {
  for (const http::Field& field : fields) {
    if (field.id != Name::cookie) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t semicolon = rest.find(';');
      const std::string_view pair = trimmed(rest.substr(0, semicolon));
      const std::size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
        return pair.substr(equals + 1);
      }
      if (semicolon == std::string_view::npos) break;
      rest.remove_prefix(semicolon + 1);
    }
  }
  return {};
}

}  // namespace mcplb::proxy
