#include "texts/texts.hpp"

#include <charconv>
#include <chrono>

namespace mcplb::bench {
namespace {

constexpr std::string_view small_payload =
    "Hello, benchmark! This is a typical small tool result payload.";
constexpr std::string_view event_begin =
    R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":{)"
    R"("number":)";
constexpr std::string_view event_time = R"(,"sent_us":)";
constexpr std::string_view event_fill = R"(,"fill":")";
constexpr std::string_view event_end = R"("}}})";

void append_message_begin(std::string& out, std::string_view id) {
  out += R"({"jsonrpc":"2.0","id":)";
  out += id;
  out += R"(,"result":{)";
}

void append_server_info(std::string& out, std::string_view server) {
  out += R"("capabilities":{"tools":{}},"serverInfo":{"name":")";
  out += server;
  out += R"(","version":"1"})";
}

// Takes a prefix off; false when the text does not begin with it.
bool skip(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

template <class Number>
bool read_number(std::string_view& text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

Tool tool_of(std::string_view name) {
  for (const Tool tool : {Tool::small, Tool::large, Tool::events, Tool::sleep})
    if (name == name_of(tool)) return tool;
  return Tool::unknown;
}

std::string_view name_of(Tool tool) {
  switch (tool) {
    case Tool::small: return "small";
    case Tool::large: return "large";
    case Tool::events: return "events";
    case Tool::sleep: return "sleep";
    case Tool::unknown: break;
  }
  return "unknown";
}

std::string_view payload_of(Tool tool) {
  // Text that differs along the way, so that a lost or doubled piece shows.
  static const std::string large = [] {
    std::string text;
    text.reserve(large_bytes + 16);
    for (int line = 0; text.size() < large_bytes; ++line) {
      text += "row ";
      text += std::to_string(line);
      text += " of a table; ";
    }
    text.resize(large_bytes);
    return text;
  }();
  return tool == Tool::large ? std::string_view(large) : small_payload;
}

void append_result_begin(std::string& out, const Reply& reply) {
  append_message_begin(out, reply.id);
  if (reply.modern) out += R"("resultType":"complete",)";
  out += R"("structuredContent":{"server":")";
}

void append_result_middle(std::string& out, const Reply& reply) {
  out += R"(","tag":")";
  out += reply.tag;
  out += R"("},"content":[{"type":"text","text":")";
}

void append_result(std::string& out, const Reply& reply, Tool tool) {
  append_result_begin(out, reply);
  out += reply.server;
  append_result_middle(out, reply);
  out += payload_of(tool);
  out += result_end;
}

void append_progress(std::string& out, std::string_view id, int number) {
  out += R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)";
  out += id;
  out += R"(,"progress":)";
  out += std::to_string(number);
  out += R"(,"total":10,"message":"step of a longer tool call"}})";
}

void append_initialize_result(std::string& out, const Reply& reply) {
  append_message_begin(out, reply.id);
  out += R"("protocolVersion":")";
  out += legacy_version;
  out += R"(",)";
  append_server_info(out, reply.server);
  out += "}}";
}

void append_discover_result(std::string& out, const Reply& reply) {
  append_message_begin(out, reply.id);
  out += R"("resultType":"complete","supportedVersions":[")";
  out += modern_version;
  out += R"("],)";
  append_server_info(out, reply.server);
  out += R"(,"ttlMs":60000,"cacheScope":"public"}})";
}

void append_empty_result(std::string& out, std::string_view id) {
  append_message_begin(out, id);
  out += "}}";
}

void append_event(std::string& out, const Event& event, std::size_t bytes) {
  const std::size_t begin = out.size();
  out += event_begin;
  out += std::to_string(event.number);
  out += event_time;
  out += std::to_string(event.sent_us);
  out += event_fill;
  const std::size_t size = out.size() - begin + event_end.size();
  if (size < bytes) out.append(bytes - size, 'x');
  out += event_end;
}

bool read_event(std::string_view json, Event& out) {
  const bool read = skip(json, event_begin) && read_number(json, out.number) &&
                    skip(json, event_time) && read_number(json, out.sent_us) &&
                    skip(json, event_fill);
  return read && json.ends_with(event_end);
}

void append_sse(std::string& out, std::string_view json) {
  out += "event: message\ndata: ";
  out += json;
  out += "\n\n";
}

std::int64_t time_of_day_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace mcplb::bench
