// The five tools of a demo server. Three answer at once; `slow` and `ask` take their time and
// are flows of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "mcplb/net/loop.hpp"
#include "mcplb/wire/server.hpp"

#include "demo/json_rpc.hpp"
#include "demo/session.hpp"

namespace mcplb::demo {

// A call that cannot be answered at once.
struct LongCall {
  enum class Tool : std::uint8_t { slow, ask };
  Tool tool = Tool::slow;
  Json id;
  Json params;
  bool takes_events = true;  // the client reads event streams
  bool modern = false;
  Session* session = nullptr;  // good until the first wait; null without a session
};

// A JSON-RPC response, or the call that will bring one.
using Outcome = std::variant<Json, LongCall>;

class Tools {
 public:
  static constexpr int steps_max = 100;
  static constexpr int delay_ms_max = 5'000;
  static constexpr milliseconds answer_wait{60'000};  // for the client's answer to `ask`

  // `loop` outlives the tools.
  Tools(net::Loop& loop, std::string replica) : loop_(loop), replica_(std::move(replica)) {}

  const std::string& replica() const { return replica_; }
  // The definitions for tools/list. Modern clients have no session, hence no `notify`.
  static Json definitions(bool modern);
  // May be called without a session.
  static bool is_sessionless(std::string_view name) { return name == "whoami" || name == "echo"; }
  // Runs `params.name`, or prepares to. `call` has everything but the tool.
  Outcome call(LongCall call) const;
  Task<void> run(LongCall call, wire::ReplyWriter& writer) const;

 private:
  Json whoami(Session* session) const;
  Json notify(const Json& arguments, Session* session) const;
  Task<void> slow(LongCall call, wire::ReplyWriter& writer) const;
  Task<void> ask(LongCall call, wire::ReplyWriter& writer) const;

  net::Loop& loop_;
  std::string replica_;
};

// The fields that every modern result has.
Json complete(Json result);

}  // namespace mcplb::demo
