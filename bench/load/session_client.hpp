// A connection that speaks MCP: what it sends is made here, and what it gets is checked here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mcplb/async/task.hpp"

#include "load/client.hpp"
#include "load/context.hpp"

namespace mcplb::bench {

// How a request ended.
struct Outcome {
  Failure failure = Failure::none;
  int status = 0;
  std::string_view server;  // until the next request; empty: not known
  std::int64_t ended_us = 0;
};

// The sessions that are given to its methods stay where they are until the call ends.
class SessionClient {
 public:
  // `context` outlives it.
  explicit SessionClient(Context& context)
      : context_(context),
        client_(context.loop, context.address) {}

  // initialize, without and with notifications/initialized.
  Task<Outcome> initialize(Session& session);
  Task<Outcome> open(Session& session);
  Task<Outcome> confirm(Session& session);
  // What the item says, except churn. A session that turns out to be lost is emptied.
  Task<Outcome> call(Session& session, const MixItem& item);
  Task<Outcome> remove(Session& session);
  // GET: ends with the head; the content is in client().piece().
  Task<Outcome> open_stream(Session& session);

  Client& client() { return client_; }

 private:
  Task<Outcome> exchange(http::Method method, int wanted_status);
  void check_initialize(Outcome& outcome, Session& session);
  void check_call(Outcome& outcome, Session& session, const MixItem& item, std::uint64_t id);
  void check_server(Outcome& outcome, Session& session);

  Context& context_;
  Client client_;
  std::string request_;
};

}  // namespace mcplb::bench
