#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/base/result.hpp"

namespace mcplb {

void assertion_failed(const char* claim, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, claim);
  std::abort();
}

const char* to_string(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::closed: return "closed";
    case Error::Kind::reset: return "reset";
    case Error::Kind::refused: return "refused";
    case Error::Kind::unreachable: return "unreachable";
    case Error::Kind::timeout: return "timeout";
    case Error::Kind::malformed: return "malformed";
    case Error::Kind::head_too_large: return "head_too_large";
    case Error::Kind::body_too_large: return "body_too_large";
    case Error::Kind::overloaded: return "overloaded";
    case Error::Kind::interrupted: return "interrupted";
    case Error::Kind::config: return "config";
    case Error::Kind::failed: return "failed";
  }
  return "failed";
}

namespace {

std::int64_t nanoseconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

std::int64_t monotonic_ns() { return nanoseconds_of(CLOCK_MONOTONIC); }

std::array<Counter, static_cast<std::size_t>(Limit::count_)>& limit_counters() {
  static std::array<Counter, static_cast<std::size_t>(Limit::count_)> counters;
  return counters;
}

}  // namespace

std::int64_t monotonic_us() { return monotonic_ns() / 1000; }
TimePoint monotonic_ms() { return nanoseconds_of(CLOCK_MONOTONIC_COARSE) / 1'000'000; }
std::int64_t unix_ns() { return nanoseconds_of(CLOCK_REALTIME); }

void append_utc_time(std::string& out) {
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

std::uint64_t secret_random64() {
  std::uint64_t value = 0;
  const auto got = getrandom(&value, sizeof value, 0);
  MCPLB_ASSERT(got == static_cast<ssize_t>(sizeof value));
  return value;
}

std::uint64_t random64() {
  // splitmix64: one addition and three mixes per number.
  thread_local std::uint64_t state = secret_random64();
  state += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

void append_request_id(std::string& out) {
  static constexpr auto pairs = [] {
    std::array<std::array<char, 2>, 256> table{};
    for (std::size_t byte = 0; byte < table.size(); ++byte) {
      table[byte] = {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    }
    return table;
  }();
  std::array<char, 32> text{};
  for (std::size_t half = 0; half < 2; ++half) {
    std::uint64_t bits = random64();
    for (std::size_t i = 0; i < 16; i += 2) {
      text[half * 16 + i] = pairs[bits & 255][0];
      text[half * 16 + i + 1] = pairs[bits & 255][1];
      bits >>= 8;
    }
  }
  out.append(text.data(), text.size());
}

const char* to_string(Limit limit) {
  switch (limit) {
    case Limit::head_bytes: return "head_bytes";
    case Limit::headers: return "headers";
    case Limit::request_bytes: return "request_bytes";
    case Limit::client_connections: return "client_connections";
    case Limit::batch_elements: return "batch_elements";
    case Limit::log_lines: return "log_lines";
    case Limit::sessions: return "sessions";
    case Limit::tombstones: return "tombstones";
    case Limit::orphan_initializes: return "orphan_initializes";
    case Limit::idle_connections: return "idle_connections";
    case Limit::redis_commands: return "redis_commands";
    case Limit::store_removals: return "store_removals";
    case Limit::farewells: return "farewells";
    case Limit::asks: return "asks";
    case Limit::asks_rate: return "asks_rate";
    case Limit::asked_backends: return "asked_backends";
    case Limit::ask_reply_bytes: return "ask_reply_bytes";
    case Limit::check_reply_bytes: return "check_reply_bytes";
    case Limit::dns_queries: return "dns_queries";
    case Limit::dns_records: return "dns_records";
    case Limit::registered_nodes: return "registered_nodes";
    case Limit::backends_known: return "backends_known";
    case Limit::session_openings: return "session_openings";
    case Limit::session_journal: return "session_journal";
    case Limit::session_moves: return "session_moves";
    case Limit::metric_series: return "metric_series";
    case Limit::admin_event_streams: return "admin_event_streams";
    case Limit::timeline_events: return "timeline_events";
    case Limit::spans: return "spans";
    case Limit::count_: break;
  }
  return "none";
}

void count_limit_hit(Limit limit) { limit_counters()[static_cast<std::size_t>(limit)].add(); }

std::uint64_t limit_hits(Limit limit) {
  return limit_counters()[static_cast<std::size_t>(limit)].value();
}

}  // namespace mcplb
