// Which trace a request belongs to, as it travels between processes: the fields `traceparent` and
// `tracestate` of W3C Trace Context (https://www.w3.org/TR/trace-context/). Values, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mcplb {

// 16 bytes, never all zero once made; all zero means that there is none.
struct TraceId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  explicit operator bool() const { return (high | low) != 0; }
  bool operator==(const TraceId&) const = default;
};

enum class SpanId : std::uint64_t { none = 0 };

// Made of random numbers that need not be secret.
TraceId new_trace_id();
SpanId new_span_id();

struct TraceContext {
  static constexpr std::uint8_t sampled_flag = 1;  // whoever sent this records the trace
  static constexpr std::uint8_t random_flag = 2;   // of level 2: its last seven bytes are random
  static constexpr std::uint8_t known_flags = sampled_flag | random_flag;

  TraceId trace;
  SpanId span = SpanId::none;  // of whoever sent this
  std::uint8_t flags = 0;      // known ones only: others are not ours to pass on

  explicit operator bool() const { return static_cast<bool>(trace); }
  bool sampled() const { return (flags & sampled_flag) != 0; }
};

// Nothing when the text breaks the format, whichever way.
std::optional<TraceContext> parse_traceparent(std::string_view text);
// How long a traceparent is that we write, and where the span's id stands in it.
inline constexpr std::size_t traceparent_bytes = 55;
inline constexpr std::size_t traceparent_span_at = 36;
inline constexpr std::size_t span_id_digits = 16;
void append_traceparent(std::string& out, const TraceContext& context);
// Overwrites the id of a traceparent that begins at `at`.
void replace_span_id(std::string& text, std::size_t at, SpanId span);

// Whether a tracestate, its fields joined by commas, is one that we pass on: within
// limits::tracestate_bytes_max and limits::tracestate_members_max, each member a key and a value.
bool is_tracestate(std::string_view text);

std::string to_hex(const TraceId& trace);
std::string to_hex(SpanId span);

// Whether a new trace is recorded when `millionths` of all are. Everybody who decides by the id
// alone decides the same, and whoever records more records what others do, too.
bool is_sampled(const TraceId& trace, std::uint32_t millionths);

}  // namespace mcplb
