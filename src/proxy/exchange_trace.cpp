#include "proxy/exchange_trace.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/text.hpp"
#include "proxy/exchange.hpp"

// Names of spans and attributes are those of OpenTelemetry's conventions for HTTP and MCP:
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/
// https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/
// What is ours begins with "mcplb.".

namespace mcplb::proxy {
namespace {

using http::Name;

constexpr std::string_view head_line = "\r\ntraceparent: ";

// Several fields of a list mean one, joined.
std::string joined_state(const http::Fields& fields) {
  std::string state;
  for (const http::Field& field : fields) {
    if (field.id != Name::tracestate || field.value.empty()) continue;
    if (!state.empty()) state += ',';
    state += field.value;
    if (state.size() > limits::tracestate_bytes_max) return {};
  }
  return is_tracestate(state) ? state : std::string();
}

std::string_view to_string(session::LookupResult::Outcome outcome) {
  using Outcome = session::LookupResult::Outcome;
  switch (outcome) {
    case Outcome::owner: return "owner";
    case Outcome::unknown: return "unknown";
    case Outcome::anywhere: return "anywhere";
    case Outcome::only_backend: return "only_backend";
    case Outcome::forbidden: return "forbidden";
    case Outcome::owner_unavailable: return "owner_unavailable";
    case Outcome::store_unavailable: return "store_unavailable";
  }
  return "";
}

std::string_view to_string(session::MoveResult::Outcome outcome) {
  using Outcome = session::MoveResult::Outcome;
  switch (outcome) {
    case Outcome::moved: return "moved";
    case Outcome::lost: return "lost";
    case Outcome::forbidden: return "forbidden";
    case Outcome::in_use: return "in_use";
    case Outcome::no_backend: return "no_backend";
    case Outcome::unavailable: return "unavailable";
  }
  return "";
}

bool is_call(const mcp::Message& message) { return message.method == mcp::Method::tools_call; }
bool is_prompt(const mcp::Message& message) { return message.method == mcp::Method::prompts_get; }
bool is_mcp_method(const mcp::Message& message) {
  return message.era != mcp::Era::none && message.method != mcp::Method::none;
}

void add_address(SpanAttributes& attributes, std::string_view authority, bool https) {
  const std::size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos &&
                        authority.find(']', colon) == std::string_view::npos;
  attributes.add("server.address", authority.substr(0, has_port ? colon : authority.size()));
  if (authority.empty()) return;
  const std::int64_t usual = https ? 443 : 80;
  const auto port = has_port ? parse_decimal(authority.substr(colon + 1)) : std::nullopt;
  attributes.add("server.port", port && *port < 65536 ? static_cast<std::int64_t>(*port) : usual);
}

// A JSON string without its quotes; a number as it is.
std::string_view id_text(std::string_view id_json) {
  if (id_json.size() >= 2 && id_json.front() == '"') return id_json.substr(1, id_json.size() - 2);
  return id_json;
}

void mark_error(Span& span, std::string_view type) {
  if (span.status == Span::Status::error) return;
  span.status = Span::Status::error;
  span.attributes.add("error.type", type);
}

}  // namespace

std::optional<TraceContext> trace_named_by(const http::Fields& fields) {
  if (fields.count(Name::traceparent) != 1) return std::nullopt;
  return parse_traceparent(fields.get(Name::traceparent));
}

ExchangeTrace::ExchangeTrace(SpanSink& spans, std::uint32_t millionths,
                             const http::RequestHead& head, const mcp::Message& message)
    : spans_(spans),
      millionths_(millionths),
      head_(head),
      message_(message),
      started_ns_(unix_ns()),
      started_us_(monotonic_us()) {
  const auto parent = trace_named_by(head.fields);
  if (!parent) {
    begin_trace();
    return;
  }
  continue_trace(*parent, joined_state(head.fields));
  // Nothing is recorded here: the head is passed on as it is.
  if (!own_.sampled()) traceparent_.clear();
}

void ExchangeTrace::look_into_body() {
  if (parent_ != SpanId::none || message_.traceparent.empty()) return;
  const auto parent = parse_traceparent(message_.traceparent);
  if (!parent) return;
  const bool sound = is_tracestate(message_.tracestate);
  continue_trace(*parent, sound ? message_.tracestate : std::string());
}

void ExchangeTrace::begin_trace() {
  own_.trace = new_trace_id();
  own_.span = new_span_id();
  own_.flags = is_sampled(own_.trace, millionths_) ? TraceContext::sampled_flag : 0;
  append_traceparent(traceparent_, own_);
}

// The caller's decision is ours.
void ExchangeTrace::continue_trace(const TraceContext& parent, std::string state) {
  own_ = parent;
  parent_ = parent.span;
  state_ = std::move(state);
  // Who records nothing has no span that could be a parent.
  if (own_.sampled()) own_.span = new_span_id();
  traceparent_.clear();
  append_traceparent(traceparent_, own_);
}

// By the clock of the start, so that spans fit into each other when the system's clock is set.
std::int64_t ExchangeTrace::now_ns() const {
  return started_ns_ + (monotonic_us() - started_us_) * 1000;
}

// Of few different values: "tools/call get-weather", "resources/read", "GET".
std::string ExchangeTrace::name() const {
  if (!is_mcp_method(message_) || message_.method == mcp::Method::other) {
    return head_.method == http::Method::other ? "HTTP" : std::string(head_.method_text);
  }
  std::string name(mcp::to_string(message_.method));
  if ((is_call(message_) || is_prompt(message_)) && !message_.name.empty()) {
    name += ' ';
    name += message_.name;
  }
  return std::string(span_text(name));
}

void ExchangeTrace::add_method(SpanAttributes& attributes) const {
  const bool known = head_.method != http::Method::other;
  attributes.add("http.request.method", known ? head_.method_text : "_OTHER");
  if (!known) attributes.add("http.request.method_original", head_.method_text);
}

void ExchangeTrace::add_message(SpanAttributes& attributes) const {
  if (message_.era == mcp::Era::none) return;
  if (is_mcp_method(message_)) {
    const bool known = message_.method != mcp::Method::other;
    attributes.add("mcp.method.name", known ? mcp::to_string(message_.method) : "_OTHER");
  }
  attributes.add("mcp.protocol.version", head_.fields.get(Name::mcp_protocol_version));
  attributes.add("jsonrpc.request.id", id_text(message_.id_json));
  if (is_call(message_)) {
    attributes.add("gen_ai.operation.name", "execute_tool");
    attributes.add("gen_ai.tool.name", message_.name);
  } else if (is_prompt(message_)) {
    attributes.add("gen_ai.prompt.name", message_.name);
  } else if (message_.method == mcp::Method::resources_read ||
             message_.method == mcp::Method::resources_subscribe ||
             message_.method == mcp::Method::resources_unsubscribe) {
    attributes.add("mcp.resource.uri", loggable_name(message_));
  }
}

void ExchangeTrace::begin_try(const cluster::Backend& backend, std::string_view target) {
  if (!own_.sampled()) return;
  hand_over_try();
  ++tries_;
  Span& span = try_.emplace();
  span.context = own_;
  span.context.span = new_span_id();
  span.parent = own_.span;
  span.state = state_;
  span.kind = Span::Kind::client;
  span.name = name();
  span.start_ns = now_ns();
  add_method(span.attributes);
  std::string url = backend.https() ? "https://" : "http://";
  url.append(backend.authority()).append(target.substr(0, target.find('?')));
  span.attributes.add("server.address", backend.host());
  span.attributes.add("server.port", backend.port());
  span.attributes.add("url.full", url);
  span.attributes.add("network.protocol.version", "1.1");
  if (tries_ > 1) span.attributes.add("http.request.resend_count", tries_ - 1);
  add_message(span.attributes);
  span.attributes.add("mcplb.pool", backend.pool());
  span.attributes.add("mcplb.backend", backend.name());
}

void ExchangeTrace::sign(std::string& head) const {
  if (!try_) return;
  const std::size_t line = head.find(head_line);
  if (line != std::string::npos) {
    replace_span_id(head, line + head_line.size(), try_->context.span);
  }
}

void ExchangeTrace::on_head(int status, const Result<void>& got) {
  if (!try_) return;
  if (!got) {
    mark_error(*try_, mcplb::to_string(got.error().kind));
    return end_try();
  }
  try_->attributes.add("http.response.status_code", status);
  if (status >= 400) mark_error(*try_, std::to_string(status));
}

void ExchangeTrace::end_try() {
  if (try_ && try_->end_ns == 0) try_->end_ns = now_ns();
}

void ExchangeTrace::hand_over_try() {
  if (!try_) return;
  end_try();
  spans_.take(std::move(*try_));
  try_.reset();
}

void ExchangeTrace::add_event(const char* name, const char* key, std::string_view value) {
  if (!own_.sampled() || events_.size() >= limits::span_events_max) return;
  SpanEvent& event = events_.emplace_back();
  event.time_ns = now_ns();
  event.name = name;
  event.attributes.add(key, value);
}

void ExchangeTrace::looked_up(session::LookupResult::Outcome outcome) {
  add_event("mcplb.session.looked_up", "mcplb.outcome", to_string(outcome));
}

void ExchangeTrace::moved(session::MoveResult::Outcome outcome, const char* why) {
  const std::size_t before = events_.size();
  add_event("mcplb.session.move", "mcplb.outcome", to_string(outcome));
  if (events_.size() > before) events_.back().attributes.add("mcplb.why", why);
}

// A client that asks wrongly, or leaves, is no error of the server.
void ExchangeTrace::mark_end(Span& span, const AccessRecord& record) const {
  if (record.status > 0) span.attributes.add("http.response.status_code", record.status);
  const bool own_reply = record.reason != Reason::none;
  if (own_reply) span.attributes.add("mcplb.reason", to_string(record.reason));
  if (record.status >= 500) {
    mark_error(span, own_reply ? std::string(to_string(record.reason))
                               : std::to_string(record.status));
  } else if (record.end.who == 'S' && !own_reply) {
    mark_error(span, "backend_broke");
  }
  const std::string end{record.end.who, record.end.when};
  span.attributes.add("mcplb.end", end);
}

void ExchangeTrace::end(const AccessRecord& record, const Facts& facts) {
  if (!own_.sampled()) return;
  const std::string session =
      facts.session.empty() ? std::string() : hashed_for_log(facts.session);
  if (try_) {
    const bool broke = try_->end_ns == 0 && record.end.who == 'S';
    if (broke) mark_error(*try_, "backend_broke");
    try_->attributes.add("mcp.session.id", session);
    hand_over_try();
  }
  Span span;
  span.context = own_;
  span.parent = parent_;
  span.parent_is_remote = parent_ != SpanId::none;
  span.state = state_;
  span.kind = Span::Kind::server;
  span.name = name();
  span.start_ns = started_ns_;
  span.end_ns = now_ns();
  add_method(span.attributes);
  span.attributes.add("url.scheme", facts.https ? "https" : "http");
  span.attributes.add("url.path", head_.path);
  add_address(span.attributes, head_.authority, facts.https);
  span.attributes.add("client.address", record.client);
  span.attributes.add("network.protocol.name", "http");
  span.attributes.add("network.protocol.version", head_.minor_version == 0 ? "1.0" : "1.1");
  add_message(span.attributes);
  span.attributes.add("mcp.session.id", session);
  span.attributes.add("mcplb.request_id", record.request_id);
  span.attributes.add("mcplb.pool", record.pool);
  span.attributes.add("mcplb.backend", record.backend);
  mark_end(span, record);
  span.events = std::move(events_);
  spans_.take(std::move(span));
}

// The access line names the trace, also one that only the client and the backend know of.
void Exchange::end_trace(AccessRecord& record) {
  if (!trace_) {
    request().restore_fields();
    const auto named = trace_named_by(request().head.fields);
    if (named) record.trace = named->trace;
    return;
  }
  record.trace = trace_->id();
  const std::string_view opened = opened_ ? std::string_view(opened_->id) : std::string_view();
  trace_->end(record, {message().session.empty() ? opened : message().session, client_.https});
}

}  // namespace mcplb::proxy
