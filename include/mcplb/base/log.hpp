// One event a line: time, level, event, instance, key=value…; text or JSON with the same keys.
// Event names are constants that a person greps. Lines are written by a thread of the log's own,
// so that a slow disk never stalls a loop: beyond limits::log_lines_queued_max they are dropped
// and counted. Bodies, tokens and whole session ids never appear.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace mcplb {

enum class LogLevel : std::uint8_t { debug, info, warn, error };
enum class LogFormat : std::uint8_t { text, json };

std::string_view to_string(LogLevel level);

struct LogSettings {
  LogLevel level = LogLevel::info;     // lower to debug while looking for a fault
  LogFormat format = LogFormat::text;  // json when a machine reads it
  std::string access = "off";          // off | stdout | a file's path: one line an exchange
};

// Builds the key=value part of a line in the chosen format. Values are escaped.
class LogFields {
 public:
  explicit LogFields(LogFormat format) : format_(format) {}
  LogFields& add(std::string_view key, std::string_view value);
  LogFields& add(std::string_view key, const char* value) {
    return add(key, std::string_view(value));
  }
  template <std::integral T>
  LogFields& add(std::string_view key, T value) {
    return add_number(key, static_cast<std::int64_t>(value));
  }
  const std::string& text() const { return text_; }
  LogFormat format() const { return format_; }

 private:
  LogFields& add_number(std::string_view key, std::int64_t value);
  void add_key(std::string_view key);

  LogFormat format_;
  std::string text_;
};

// Process-wide; start before any thread logs, stop after the last one has ended.
namespace log {

// False when the access log's file cannot be opened: nothing was started, errno says why.
bool start(const LogSettings& settings, std::string_view instance);
// Goes on with other settings: from the next line on, but lines that are queued go where they were
// meant to. False when the access log's file cannot be opened: nothing has changed, errno says why.
// On the thread that started it.
bool change(const LogSettings& settings);
// Writes what is queued and ends the writing thread.
void stop();
// Opens the access log file again (SIGUSR1). The old one is kept while the new one does not open.
void reopen();
// Who hears every event from info on, also one that the level keeps out of the log: with its fields
// as the inside of a JSON object (`,"key":value` for each). Called on the thread of the event,
// never again once it was replaced; it must not log. Empty: nobody.
using Listener = std::function<void(LogLevel, std::string_view event, std::string_view fields)>;
void set_listener(Listener listener);
bool has_listener();
void tell_listener(LogLevel level, std::string_view event, const LogFields& fields);
bool enabled(LogLevel level);
bool access_enabled();
LogFormat format();
void write(LogLevel level, std::string_view event, const LogFields& fields);
void write_access(const LogFields& fields);
std::uint64_t dropped_lines();

// log::event(LogLevel::warn, "backend_down", "backend", id, "after_failures", 3);
namespace detail {
inline void add_all(LogFields&) {}
template <class V, class... Rest>
void add_all(LogFields& fields, std::string_view key, V&& value, Rest&&... rest) {
  fields.add(key, std::forward<V>(value));
  add_all(fields, std::forward<Rest>(rest)...);
}
}  // namespace detail

template <class... Args>
void event(LogLevel level, std::string_view name, Args&&... key_values) {
  if (level >= LogLevel::info && has_listener()) {
    LogFields heard(LogFormat::json);
    detail::add_all(heard, key_values...);
    tell_listener(level, name, heard);
  }
  if (!enabled(level)) return;
  LogFields fields(format());
  detail::add_all(fields, std::forward<Args>(key_values)...);
  write(level, name, fields);
}

// An event at info, whatever the level: what scripts wait for.
template <class... Args>
void announce(std::string_view name, Args&&... key_values) {
  LogFields fields(format());
  detail::add_all(fields, std::forward<Args>(key_values)...);
  write(LogLevel::info, name, fields);
}

}  // namespace log

}  // namespace mcplb
