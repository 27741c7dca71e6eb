// What is recorded of one step of a request, for a trace. Values only: `proxy` fills them,
// `tracing` sends them, and neither knows the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/trace_context.hpp"

namespace mcplb {

struct SpanAttribute {
  const char* key = "";  // static text
  std::string text;
  std::int64_t number = 0;  // when is_number
  bool is_number = false;
};

// At most limits::span_attributes_max; texts are cut at limits::span_text_bytes_max, so that what
// strangers write sizes nothing.
class SpanAttributes {
 public:
  void add(const char* key, std::int64_t value);
  // An empty text is left out.
  void add(const char* key, std::string_view value);

  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  std::size_t size() const { return all_.size(); }

 private:
  std::vector<SpanAttribute> all_;
};

struct SpanEvent {
  std::int64_t time_ns = 0;  // unix time
  const char* name = "";     // static text
  SpanAttributes attributes;
};

struct Span {
  enum class Kind : std::uint8_t { server, client };
  enum class Status : std::uint8_t { unset, error };

  TraceContext context;             // its own: the trace and the span
  SpanId parent = SpanId::none;     // none: the trace begins here
  bool parent_is_remote = false;    // in another process
  std::string state;                // tracestate
  Kind kind = Kind::server;
  std::string name;                 // bounded by whoever makes it
  std::int64_t start_ns = 0;        // unix time
  std::int64_t end_ns = 0;
  Status status = Status::unset;
  SpanAttributes attributes;
  std::vector<SpanEvent> events;    // at most limits::span_events_max
};

// The first bytes of a text, at most limits::span_text_bytes_max, no character cut in two.
std::string_view span_text(std::string_view text);

// Where spans go when they have ended.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  SpanSink() = default;
  SpanSink(const SpanSink&) = delete;
  SpanSink& operator=(const SpanSink&) = delete;

  // Thread-safe. Never blocks for longer than a pointer takes to move; drops what is too much.
  virtual void take(Span span) = 0;
};

}  // namespace mcplb
