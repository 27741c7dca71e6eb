// What a run counts, and the report made of it. One per thread; they are added up at the end.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "load/latencies.hpp"

namespace mcplb::bench {

enum class Failure : std::uint8_t {
  none,
  connect,       // no connection
  closed,        // the connection ended before the reply did
  timeout,
  not_http,      // the bytes are no HTTP reply
  status,        // another one than the request has to get
  wrong_body,
  wrong_server,  // not the one that opened the session
  no_session,    // the server gave no session id
  unsent         // planned, but no connection was free until the run was given up
};

// When what is measured happens, in monotonic microseconds.
struct Window {
  std::int64_t begin_us = 0;
  std::int64_t end_us = 0;
  bool has(std::int64_t us) const { return begin_us <= us && us < end_us; }
};

// One unit of work: a request, or for churn a whole session.
struct Unit {
  std::size_t kind = 0;         // from Tally::kind()
  std::int64_t started_us = 0;  // the open loop: when it was planned
  std::int64_t ended_us = 0;
  Failure failure = Failure::none;
  int status = 0;               // of Failure::status
  std::string_view server;      // who answered; empty: not known
};

struct Tally {
  struct Kind {
    std::string name;
    bool is_request = true;  // false: made of requests that are counted by themselves
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
    Latencies latency;
  };
  struct Step {
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
  };
  struct Sessions {
    std::uint64_t opened = 0;
    std::uint64_t reopened = 0;  // in place of a lost one
    std::uint64_t lost = 0;      // 404 to a session that was open
    std::uint64_t moved = 0;     // answered by another server, and that was allowed
    std::uint64_t removed = 0;   // by DELETE, at the end
  };
  struct Streams {
    std::uint64_t open = 0;  // when measuring ended
    std::uint64_t failed = 0;
    std::uint64_t broken = 0;
    std::uint64_t expected = 0;  // events that the backends wrote
    std::uint64_t events = 0;
    std::uint64_t wrong = 0;     // events that are none of the backends', or out of order
    Latencies latency;
  };

  // The index of a kind, made at its first mention.
  std::size_t kind(std::string_view name, bool is_request = true);
  // Counts what started within the window; what ended in it counts in `completed`, too.
  void add(const Window& window, const Unit& unit);
  // Arrivals of the open loop that nobody took.
  void add_unsent(std::uint64_t count) { failures["unsent"] += count; }
  void merge(const Tally& other);

  std::vector<Kind> kinds;
  std::map<std::string, std::uint64_t> failures;
  std::map<std::string, std::uint64_t, std::less<>> servers;
  std::vector<Step> timeline;  // by when they ended
  std::uint64_t completed = 0;
  std::uint64_t reconnects = 0;
  Latencies late;  // open loop: how long after its plan each start came
  Sessions sessions;
  Streams streams;
};

inline constexpr std::int64_t timeline_step_us = 100'000;

// The report, as one line of JSON.
std::string to_json(const Tally& tally, double seconds);

}  // namespace mcplb::bench
