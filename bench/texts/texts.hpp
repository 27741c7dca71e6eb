// What mcplb_bench_backend answers, byte for byte: it writes these texts, and the generator
// compares every reply with them, so that no wrong byte counts as a success. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mcplb::bench {

inline constexpr std::string_view legacy_version = "2025-11-25";
inline constexpr std::string_view modern_version = "2026-07-28";

enum class Tool : std::uint8_t { small, large, events, sleep, unknown };
Tool tool_of(std::string_view name);
std::string_view name_of(Tool tool);

// Progress notifications of `events` that come before its result.
inline constexpr int progress_events = 9;
inline constexpr std::size_t large_bytes = std::size_t{64} * 1024;

// The text content that a tool's result has.
std::string_view payload_of(Tool tool);

// What a reply says of itself. `id` is JSON; the others need no escape.
struct Reply {
  std::string_view id;
  std::string_view server;
  std::string_view tag;
  bool modern = false;
};

// A result of tools/call is begin, server, middle, payload, end.
void append_result_begin(std::string& out, const Reply& reply);
void append_result_middle(std::string& out, const Reply& reply);
inline constexpr std::string_view result_end = R"("}],"isError":false}})";
void append_result(std::string& out, const Reply& reply, Tool tool);

// One notifications/progress, the first is number 1.
void append_progress(std::string& out, std::string_view id, int number);
void append_initialize_result(std::string& out, const Reply& reply);
void append_discover_result(std::string& out, const Reply& reply);
void append_empty_result(std::string& out, std::string_view id);

// A message on a session's event stream. `sent_us` is the time of day in microseconds at which the
// backend wrote it; `number` counts the stream's events from 1.
struct Event {
  std::uint64_t number = 0;
  std::int64_t sent_us = 0;
};
// Filled up to `bytes` in all, when they are more than it needs.
void append_event(std::string& out, const Event& event, std::size_t bytes);
// False when it is none of ours.
bool read_event(std::string_view json, Event& out);

// "event: message", the data and the empty line behind it.
void append_sse(std::string& out, std::string_view json);

// The time of day in microseconds: it compares the clocks of two processes of one machine.
std::int64_t time_of_day_us();

}  // namespace mcplb::bench
