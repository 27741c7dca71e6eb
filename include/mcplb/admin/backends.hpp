// Backends as operators see them, and what they may ask of one. Values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/admin/traffic.hpp"

namespace mcplb::admin {

// What operators want of a backend.
enum class BackendMode : std::uint8_t {
  active,
  draining,  // no new session; what it holds goes elsewhere
  disabled   // nothing goes there
};
// What it is in now, out of the mode and of what health says.
enum class BackendState : std::uint8_t { up, starting, down, ejected, draining, disabled };
inline constexpr std::array backend_states{BackendState::up,      BackendState::starting,
                                           BackendState::down,    BackendState::ejected,
                                           BackendState::draining, BackendState::disabled};
std::string_view to_string(BackendMode mode);
std::string_view to_string(BackendState state);

struct BackendView {
  std::string id;
  std::string name;     // what people call it; empty: the id
  std::string url;
  std::string address;  // where its name led last; empty: not known
  BackendMode mode = BackendMode::active;
  BackendState state = BackendState::up;
  std::uint32_t weight = 1;
  std::int64_t in_flight = 0;  // requests, without the streams
  std::int64_t streams = 0;    // event streams
  std::int64_t sessions = 0;
  bool suspect = false;        // whether its sessions are still there has to be seen
  // None: not known.
  std::optional<std::int64_t> last_check_seconds;     // ago
  std::optional<std::int64_t> since_seconds;          // in this state
  std::optional<std::int64_t> last_heartbeat_millis;  // ago; of one that announces itself
  struct Check {
    bool good = false;
    std::string text;  // what it saw, for people
  };
  std::optional<Check> check;  // the last one
  TrafficView traffic;
};

struct PoolView {
  std::string name;
  std::string balance;
  TrafficView traffic;
  NamedCounts session_events;
  std::vector<BackendView> backends;
};

struct BackendCommand {
  std::string pool;
  std::string backend;
  BackendMode mode = BackendMode::active;
};

struct ReloadAnswer {
  enum class Outcome : std::uint8_t {
    done,
    invalid,  // the configuration has mistakes: nothing was changed
    refused   // it cannot be taken over now, or not without a restart
  };
  Outcome outcome = Outcome::done;
  std::string message;
  std::vector<std::string> keys;  // those that changed, or those that were refused
};

}  // namespace mcplb::admin
