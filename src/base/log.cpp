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
#include <thread>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
  }
  return "info";
}

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

void append_time(std::string& out) {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  out.append(text.data(), size);
  std::snprintf(text.data(), text.size(), ".%03dZ", static_cast<int>(ms.count() % 1000));
  out += text.data();
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
    settings_ = settings;
    access_enabled_ = settings.access != "off";
    instance_ = instance;
    level_.store(settings.level, std::memory_order_relaxed);
    access_fd_ = -1;
    if (settings.access == "stdout") access_fd_ = STDOUT_FILENO;
    if (writes_file()) {
      access_fd_ = open_access_file();
      if (access_fd_ < 0) return false;
    }
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
    if (access_fd_ > STDERR_FILENO) ::close(access_fd_);
    access_fd_ = -1;
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
  bool access_enabled() const { return access_enabled_; }
  LogFormat format() const { return settings_.format; }
  const std::string& instance() const { return instance_; }

 private:
  bool writes_file() const { return settings_.access != "off" && settings_.access != "stdout"; }
  int open_access_file() const {
    return ::open(settings_.access.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  }
  void reopen_access_file() {
    const int opened = open_access_file();
    if (opened < 0) {
      log::event(LogLevel::error, "access_log_failed", "path", settings_.access, "why",
                 std::strerror(errno), "consequence", "lines go on to the old file");
      return;
    }
    ::close(access_fd_);
    access_fd_ = opened;
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || reopen_ || lines_ > 0; });
      const std::string events = std::exchange(event_queue_, {});
      const std::string accesses = std::exchange(access_queue_, {});
      lines_ = 0;
      const bool reopen = std::exchange(reopen_, false);
      const bool last = stopping_;
      lock.unlock();
      write_all(STDERR_FILENO, events);
      if (access_fd_ >= 0) write_all(access_fd_, accesses);
      if (reopen && writes_file()) reopen_access_file();
      if (last) return;
      lock.lock();
    }
  }

  LogSettings settings_;
  bool access_enabled_ = false;  // asked several times for each request
  std::string instance_;
  std::atomic<LogLevel> level_{LogLevel::info};
  int access_fd_ = -1;  // used by the writing thread only, once it runs

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::string event_queue_;
  std::string access_queue_;
  std::size_t lines_ = 0;
  bool stopping_ = false;
  bool reopen_ = false;
  std::thread thread_;
};

Writer& writer() {
  static Writer instance;
  return instance;
}

}  // namespace

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
  add_key(key);
  if (format_ == LogFormat::json) {
    append_json_string(text_, value);
    return *this;
  }
  const bool plain = !value.empty() && value.find_first_of(" =\"") == std::string_view::npos;
  const std::string safe = escaped(value, 1024);
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
void stop() { writer().stop(); }
void reopen() { writer().reopen(); }
bool enabled(LogLevel level) { return writer().enabled(level); }
bool access_enabled() { return writer().access_enabled(); }
LogFormat format() { return writer().format(); }
std::uint64_t dropped_lines() { return limit_hits(Limit::log_lines); }

void write(LogLevel level, std::string_view event, const LogFields& fields) {
  std::string line;
  if (format() == LogFormat::json) {
    line += "{\"time\":\"";
    append_time(line);
    line += "\",\"level\":\"";
    line += level_name(level);
    line += "\",\"event\":\"";
    line += event;
    line += "\",\"instance\":";
    append_json_string(line, writer().instance());
    line += fields.text();
    line += "}\n";
  } else {
    append_time(line);
    line += ' ';
    line += level_name(level);
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
  if (format() == LogFormat::json) {
    line += "{\"time\":\"";
    append_time(line);
    line += "\",\"instance\":";
    append_json_string(line, writer().instance());
    line += fields.text();
    line += "}\n";
  } else {
    append_time(line);
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
