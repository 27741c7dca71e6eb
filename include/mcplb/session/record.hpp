// What is known of one session. Values, used on any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/ids.hpp"
#include "mcplb/mcp/opening.hpp"
#include "mcplb/mcp/principal.hpp"

namespace mcplb::session {

// How a session was opened: what it takes to speak to its owner on the balancer's own account.
struct Place {
  std::string path;      // as the backend sees it, without query: that may hold credentials
  std::string host;      // the Host that the client used
  std::string protocol;  // MCP revision, empty when not known
  friend bool operator==(const Place&, const Place&) = default;
};

// The revision whose sessions live and die with one event stream.
inline constexpr std::string_view endpoint_protocol = "2024-11-05";

struct Facts {
  BackendId owner = BackendId::none;
  std::uint32_t generation = 1;  // counts the moves: the higher one is right
  std::uint32_t created_s = 0;   // Unix time; 0: not known
  Place place = {};
  mcp::Principal principal = {};  // who opened it; none: sessions of this pool are not bound
  // What the owner calls the session, when it has moved; empty: what the client calls it.
  std::string backend_session = {};
};

// What it takes to open the session on another backend.
struct Replay {
  std::shared_ptr<const mcp::Opening> opening;  // null: not known, so it cannot be
  mcp::Journal journal;
  std::vector<std::string> unsubscribed;  // since the store was last told
};

struct Record {
  std::string id;
  Facts facts;
  Replay replay = {};
  bool stored = false;  // the store has been told all of it, and only that it is seen is new
};

}  // namespace mcplb::session
