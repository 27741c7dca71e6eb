// The spans of one exchange: one for the request as its client sees it, and one for each try, whose
// id the backend is told. Made only while requests are traced; the rest of the exchange tells it in
// one line each what happens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mcplb/base/result.hpp"
#include "mcplb/base/span.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/session/lookup.hpp"
#include "mcplb/session/move.hpp"
#include "proxy/access_log.hpp"

namespace mcplb::proxy {

// The trace that a request's head names; none when it names none, or several.
std::optional<TraceContext> trace_named_by(const http::Fields& fields);

// Owned by the exchange; on its loop only.
class ExchangeTrace {
 public:
  // All outlive it. `message` is read as it is later. `millionths` of new traces are recorded.
  ExchangeTrace(SpanSink& spans, std::uint32_t millionths, const http::RequestHead& head,
                const mcp::Message& message);

  // The message is known: it may name the trace when the head does not.
  void look_into_body();
  TraceId id() const { return own_.trace; }

  // For the heads of backends; empty: what the client says of its trace stays as it is.
  std::string_view traceparent() const { return traceparent_; }
  std::string_view tracestate() const { return state_; }

  // `target` as the backend sees it.
  void begin_try(const cluster::Backend& backend, std::string_view target);
  // `head`, which is about to be sent, names the try as whoever caused what comes of it.
  void sign(std::string& head) const;
  // What it came to: the status of a reply, or an error.
  void on_head(int status, const Result<void>& got);
  void end_try();

  void looked_up(session::LookupResult::Outcome outcome);
  void moved(session::MoveResult::Outcome outcome, const char* why);

  // What only the exchange knows.
  struct Facts {
    std::string_view session;  // as the client calls it
    bool https = false;
  };
  // Hands over what there is.
  void end(const AccessRecord& record, const Facts& facts);

 private:
  void continue_trace(const TraceContext& parent, std::string state);
  void begin_trace();
  std::int64_t now_ns() const;
  std::string name() const;
  void add_message(SpanAttributes& attributes) const;
  void add_method(SpanAttributes& attributes) const;
  void add_event(const char* name, const char* key, std::string_view value);
  void hand_over_try();
  void mark_end(Span& span, const AccessRecord& record) const;

  SpanSink& spans_;
  const std::uint32_t millionths_;
  const http::RequestHead& head_;
  const mcp::Message& message_;
  const std::int64_t started_ns_;
  const std::int64_t started_us_;  // monotonic

  TraceContext own_;  // the server span's
  SpanId parent_ = SpanId::none;
  std::string state_;
  std::string traceparent_;
  std::vector<SpanEvent> events_;
  std::optional<Span> try_;
  int tries_ = 0;
};

}  // namespace mcplb::proxy
