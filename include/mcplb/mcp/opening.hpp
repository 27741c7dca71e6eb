// What it takes to open a legacy session again elsewhere: how it was opened, what its server
// promised, and what the client has asked it to remember since. No I/O; off the hot path.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {

// Never credentials: those come with the request that needs the session.
struct Opening {
  std::string initialize;    // the JSON-RPC body of the client's initialize request
  std::string protocol;      // that the server has agreed to; empty: not known
  std::string capabilities;  // of the server, a JSON text; empty: not known

  std::size_t bytes() const { return initialize.size() + protocol.size() + capabilities.size(); }
  friend bool operator==(const Opening&, const Opening&) = default;
};

struct InitializeResult {
  std::string protocol;      // empty when the result names none, or none that can be one
  std::string capabilities;  // empty when the result names none
};

// The first response that carries a result, in the whole reply to `initialize`: JSON, or an event
// stream. The caller bounds the body.
std::optional<InitializeResult> read_initialize_result(std::string_view content_type,
                                                       std::string_view body);

// Whether every capability that is needed (a key, at any depth, that is not false or null) is
// offered as well. Doubt means no: a text that is not a JSON object offers nothing, and needs what
// nobody has. An empty text needs nothing.
bool offers_no_less(std::string_view offered_capabilities, std::string_view needed_capabilities);

// The small state that a client builds up in its session.
struct Journal {
  std::string set_level;                   // the params of the last logging/setLevel, JSON text
  std::vector<std::string> subscriptions;  // URIs of resources

  bool empty() const { return set_level.empty() && subscriptions.empty(); }
  std::size_t bytes() const;
  friend bool operator==(const Journal&, const Journal&) = default;
};

// What a request changes that its owner has served well. True when the journal is another now.
// `body` is the request's, a single JSON-RPC message. What is beyond limits::session_subscriptions_max
// or session_journal_bytes_max is not kept, and counted.
bool journal_note(Journal& journal, Method method, std::string_view body);

// The URI that a resources/subscribe or resources/unsubscribe names; empty for anything else.
std::string subscription_uri(std::string_view body);

}  // namespace mcplb::mcp
