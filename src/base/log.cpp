#include "mcplb/base/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <shared_mutex>
#include <optional>
#include <thread>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

// The length of the UTF-8 sequence (RFC 3629) of several bytes that `text` begins with; 0: none.
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t size = lead >= 0xf0 ? 4 : (lead >= 0xe0 ? 3 : 2);
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xed && byte(1) > 0x9f;
  const bool beyond = lead == 0xf4 && byte(1) > 0x8f;
  return overlong || surrogate || beyond ? 0 : size;
}

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    std::size_t used = 1;
    if (byte >= 0x80) {
      used = utf8_sequence(text);
      out += used == 0 ? "\\ufffd" : text.substr(0, used);
      used = used == 0 ? 1 : used;
    } else if (byte >= 0x20 && byte != 0x7f && byte != '"' && byte != '\\') {
      out += text.front();
    } else {
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
    text.remove_prefix(used);
  }
  out += '"';
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // A log that cannot be written must not stop the balancer.
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Two queues of finished lines and the thread that writes them.
class Writer {
 public:
  bool start(const LogSettings& settings, std::string_view instance) {
    stop();
    AccessLog opened;
    if (!open(settings.access, opened)) return false;
    access_ = std::move(opened);
    next_access_.reset();
    access_path_ = settings.access;
    instance_ = instance;
    take_over(settings);
    stopping_ = false;
    thread_ = std::thread([this] { run(); });
    return true;
  }

  void stop() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
    if (next_access_) replace_access(*std::exchange(next_access_, std::nullopt));
    replace_access({});
  }

  bool change(const LogSettings& settings) {
    if (settings.access != access_path_) {
      AccessLog opened;
      if (!open(settings.access, opened)) return false;
      access_path_ = settings.access;
      const std::lock_guard lock(mutex_);
      // One that was opened a moment ago and never used.
      if (next_access_) close(*next_access_);
      next_access_ = std::move(opened);
      access_queue_before_ += std::exchange(access_queue_, {});
      wake_.notify_one();
    }
    take_over(settings);
    return true;
  }

  void reopen() {
    const std::lock_guard lock(mutex_);
    reopen_ = true;
    wake_.notify_one();
  }

  void push(bool access, std::string line) {
    const std::lock_guard lock(mutex_);
    if (lines_ >= limits::log_lines_queued_max) {
      count_limit_hit(Limit::log_lines);
      return;
    }
    const bool was_empty = lines_ == 0;
    ++lines_;
    (access ? access_queue_ : event_queue_) += line;
    if (was_empty) wake_.notify_one();
  }

  bool enabled(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }
  bool access_enabled() const { return access_enabled_.load(std::memory_order_relaxed); }
  LogFormat format() const { return format_.load(std::memory_order_relaxed); }
  const std::string& instance() const { return instance_; }

 private:
  struct AccessLog {
    std::string path;  // of a file; else there is nothing to open again
    int fd = -1;
  };

  static int open_file(const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  }
  static bool open(const std::string& access, AccessLog& out) {
    if (access == "off") return true;
    if (access == "stdout") {
      out.fd = STDOUT_FILENO;
      return true;
    }
    out = {access, open_file(access)};
    return out.fd >= 0;
  }
  static void close(const AccessLog& access) {
    if (!access.path.empty()) ::close(access.fd);
  }
  void replace_access(AccessLog next) {
    close(access_);
    access_ = std::move(next);
  }
  void reopen_access_file() {
    const int opened = open_file(access_.path);
    if (opened < 0) {
      log::event(LogLevel::error, "access_log_failed", "path", access_.path, "why",
                 std::strerror(errno), "consequence", "lines go on to the old file");
      return;
    }
    replace_access({access_.path, opened});
  }

  void take_over(const LogSettings& settings) {
    level_.store(settings.level, std::memory_order_relaxed);
    format_.store(settings.format, std::memory_order_relaxed);
    access_enabled_.store(settings.access != "off", std::memory_order_relaxed);
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || reopen_ || next_access_ || lines_ > 0; });
      const std::string events = std::exchange(event_queue_, {});
      const std::string accesses_before = std::exchange(access_queue_before_, {});
      const std::string accesses = std::exchange(access_queue_, {});
      lines_ = 0;
      const bool reopen = std::exchange(reopen_, false);
      std::optional<AccessLog> next_access = std::exchange(next_access_, std::nullopt);
      const bool last = stopping_;
      lock.unlock();
      write_all(STDERR_FILENO, events);
      if (access_.fd >= 0) write_all(access_.fd, accesses_before);
      if (next_access) replace_access(*std::move(next_access));
      if (access_.fd >= 0) write_all(access_.fd, accesses);
      if (reopen && !access_.path.empty()) reopen_access_file();
      if (last) return;
      lock.lock();
    }
  }

  std::string instance_;
  std::string access_path_;  // of the settings; of the thread that starts and changes
  std::atomic<LogLevel> level_{LogLevel::info};
  std::atomic<LogFormat> format_{LogFormat::text};
  std::atomic<bool> access_enabled_{false};  // asked several times for each request
  AccessLog access_;  // used by the writing thread only, once it runs

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::string event_queue_;
  std::string access_queue_;
  std::size_t lines_ = 0;
  bool stopping_ = false;
  bool reopen_ = false;
  std::optional<AccessLog> next_access_;  // instead of access_, for the lines to come
  std::string access_queue_before_;       // those that are still meant for access_
  std::thread thread_;
};

Writer& writer() {
  static Writer instance;
  return instance;
}

// Who calls the listener shares the mutex, so that it is not replaced meanwhile.
struct HeardBy {
  std::shared_mutex mutex;
  log::Listener listener;
};

HeardBy& heard_by() {
  static HeardBy instance;
  return instance;
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
  }
  return "info";
}

void LogFields::add_key(std::string_view key) {
  if (format_ == LogFormat::json) {
    text_ += ",\"";
    text_ += key;
    text_ += "\":";
  } else {
    text_ += ' ';
    text_ += key;
    text_ += '=';
  }
}

LogFields& LogFields::add(std::string_view key, std::string_view value) {
  constexpr std::size_t value_bytes_max = 1024;
  add_key(key);
  if (format_ == LogFormat::json) {
    append_json_string(text_, value.substr(0, value_bytes_max));
    return *this;
  }
  const bool plain = !value.empty() && value.find_first_of(" =\"") == std::string_view::npos;
  const std::string safe = escaped(value, value_bytes_max);
  if (plain) {
    text_ += safe;
  } else {
    text_ += '"';
    text_ += safe;
    text_ += '"';
  }
  return *this;
}

LogFields& LogFields::add_number(std::string_view key, std::int64_t value) {
  add_key(key);
  text_ += std::to_string(value);
  return *this;
}

namespace log {

bool start(const LogSettings& settings, std::string_view instance) {
  return writer().start(settings, instance);
}
void set_listener(Listener next) {
  const std::unique_lock lock(heard_by().mutex);
  heard_by().listener = std::move(next);
}
bool has_listener() {
  const std::shared_lock lock(heard_by().mutex);
  return static_cast<bool>(heard_by().listener);
}
void tell_listener(LogLevel level, std::string_view event, const LogFields& fields) {
  const std::shared_lock lock(heard_by().mutex);
  if (heard_by().listener) heard_by().listener(level, event, fields.text());
}
bool change(const LogSettings& settings) { return writer().change(settings); }
void stop() { writer().stop(); }
void reopen() { writer().reopen(); }
bool enabled(LogLevel level) { return writer().enabled(level); }
bool access_enabled() { return writer().access_enabled(); }
LogFormat format() { return writer().format(); }
std::uint64_t dropped_lines() { return limit_hits(Limit::log_lines); }

void write(LogLevel level, std::string_view event, const LogFields& fields) {
  std::string line;
  // That of the fields: the setting may have changed since they were made.
  if (fields.format() == LogFormat::json) {
    line += "{\"time\":\"";
    append_utc_time(line);
    line += "\",\"level\":\"";
    line += to_string(level);
    line += "\",\"event\":\"";
    line += event;
    line += "\",\"instance\":";
    append_json_string(line, writer().instance());
    line += fields.text();
    line += "}\n";
  } else {
    append_utc_time(line);
    line += ' ';
    line += to_string(level);
    line += ' ';
    line += event;
    LogFields instance(LogFormat::text);
    instance.add("instance", writer().instance());
    line += instance.text();
    line += fields.text();
    line += '\n';
  }
  writer().push(false, std::move(line));
}

void write_access(const LogFields& fields) {
  std::string line;
  // That of the fields: the setting may have changed since they were made.
  if (fields.format() == LogFormat::json) {
    line += "{\"time\":\"";
    append_utc_time(line);
    line += "\",\"instance\":";
    append_json_string(line, writer().instance());
    line += fields.text();
    line += "}\n";
  } else {
    append_utc_time(line);
    LogFields instance(LogFormat::text);
    instance.add("instance", writer().instance());
    line += instance.text();
    line += fields.text();
    line += '\n';
  }
  writer().push(true, std::move(line));
}

}  // namespace log
}  // namespace mcplb
