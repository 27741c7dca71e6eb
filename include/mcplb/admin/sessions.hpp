// Sessions as operators see them. Values. Ids never leave the process: a session goes by its hash,
// the one that logs show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mcplb::admin {

struct SessionView {
  std::string hash;
  std::string pool;
  std::string backend;                      // its id; empty: no longer configured
  std::string protocol;                     // empty: not known
  std::optional<std::int64_t> age_seconds;  // none: not known
  std::int64_t idle_seconds = 0;            // 0 while something is open
  std::uint32_t generation = 1;
  // Of this process; none when only the store knows the session.
  std::optional<std::uint32_t> in_flight;
  std::optional<std::uint32_t> streams;
};

struct SessionsQuery {
  std::string pool;  // empty: all
  std::size_t limit = 100;
  std::string after;  // SessionsAnswer::next of the page before; empty: from the start
};

struct SessionsAnswer {
  enum class Outcome : std::uint8_t { good, no_such_pool, bad_cursor };
  Outcome outcome = Outcome::good;
  std::vector<SessionView> sessions;
  std::string next;       // empty: that was all
  std::size_t total = 0;  // of the pool, or of all
};

struct SessionQuery {
  std::string id;    // as the client knows it
  std::string pool;  // empty: any
};

struct SessionAnswer {
  enum class Known : std::uint8_t { nowhere, memory, store, store_away };
  Known known = Known::nowhere;
  SessionView session;
};

}  // namespace mcplb::admin
