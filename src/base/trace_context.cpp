#include "mcplb/base/trace_context.hpp"

#include <algorithm>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::uint32_t all_millionths = 1'000'000;

// Lower case only, as the format has it; at most 16 digits.
std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value << 4 | digit;
  }
  return value;
}

void write_hex(char* out, std::uint64_t value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = digits[value >> 4 * (count - 1 - i) & 15];
  }
}

void append_hex(std::string& out, std::uint64_t value, std::size_t count) {
  out.append(count, '0');
  write_hex(out.data() + out.size() - count, value, count);
}

bool is_visible(char c) {
  return (c > ' ' && c < 0x7f) || c == ' ' || c == '\t';
}

}  // namespace

TraceId new_trace_id() {
  TraceId id{random64(), random64()};
  if (!id) id.low = 1;
  return id;
}

SpanId new_span_id() {
  return static_cast<SpanId>(std::max<std::uint64_t>(random64(), 1));
}

std::optional<TraceContext> parse_traceparent(std::string_view text) {
  if (text.size() < traceparent_bytes) return std::nullopt;
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const auto version = parse_hex(text.substr(0, 2));
  const auto high = parse_hex(text.substr(3, 16));
  const auto low = parse_hex(text.substr(19, 16));
  const auto span = parse_hex(text.substr(traceparent_span_at, span_id_digits));
  const auto flags = parse_hex(text.substr(53, 2));
  if (!version || !high || !low || !span || !flags || *version == 0xff) return std::nullopt;
  // Later versions may say more, but only behind what is known.
  const bool longer = text.size() > traceparent_bytes;
  if (longer && (*version == 0 || text[traceparent_bytes] != '-')) return std::nullopt;
  TraceContext context;
  context.trace = {*high, *low};
  context.span = static_cast<SpanId>(*span);
  context.flags = static_cast<std::uint8_t>(*flags & TraceContext::known_flags);
  if (!context.trace || context.span == SpanId::none) return std::nullopt;
  return context;
}

void append_traceparent(std::string& out, const TraceContext& context) {
  out += "00-";
  append_hex(out, context.trace.high, 16);
  append_hex(out, context.trace.low, 16);
  out += '-';
  append_hex(out, static_cast<std::uint64_t>(context.span), span_id_digits);
  out += '-';
  append_hex(out, context.flags, 2);
}

void replace_span_id(std::string& text, std::size_t at, SpanId span) {
  write_hex(text.data() + at + traceparent_span_at, static_cast<std::uint64_t>(span),
            span_id_digits);
}

bool is_tracestate(std::string_view text) {
  if (text.size() > limits::tracestate_bytes_max) return false;
  if (!std::all_of(text.begin(), text.end(), is_visible)) return false;
  std::size_t members = 0;
  bool sound = true;
  for_each_list_element(text, [&](std::string_view member) {
    ++members;
    const std::size_t equals = member.find('=');
    sound = equals != 0 && equals != std::string_view::npos;
    return sound && members <= limits::tracestate_members_max;
  });
  return sound && members <= limits::tracestate_members_max;
}

std::string to_hex(const TraceId& trace) {
  std::string out;
  append_hex(out, trace.high, 16);
  append_hex(out, trace.low, 16);
  return out;
}

std::string to_hex(SpanId span) {
  std::string out;
  append_hex(out, static_cast<std::uint64_t>(span), span_id_digits);
  return out;
}

bool is_sampled(const TraceId& trace, std::uint32_t millionths) {
  // The last seven bytes are those that are random in every trace id.
  constexpr std::uint64_t all = std::uint64_t{1} << 56;
  const std::uint64_t left_out = all / all_millionths * (all_millionths - millionths);
  if (millionths >= all_millionths) return true;
  if (millionths == 0) return false;
  return (trace.low & (all - 1)) >= left_out;
}

}  // namespace mcplb
