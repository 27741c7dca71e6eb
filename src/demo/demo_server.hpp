// One plain MCP server: Streamable HTTP at /mcp in the revisions 2025-03-26 to 2026-07-28,
// sessions in its own memory only, GET /health. For trying the balancer and for its tests.
#pragma once

#include <string>
#include <variant>

#include "mcplb/net/loop.hpp"
#include "mcplb/wire/server.hpp"

#include "demo/json_rpc.hpp"
#include "demo/session.hpp"
#include "demo/tools.hpp"

namespace mcplb::demo {

// Lives on one loop. Outlives the connections that it serves.
class DemoServer final : public wire::Handler {
 public:
  static constexpr std::size_t body_bytes_max = 1024 * 1024;
  static constexpr std::size_t batch_elements_max = 100;
  // A comment goes out on an event stream that is silent for this long.
  static constexpr milliseconds stream_silence_max{30'000};

  DemoServer(net::Loop& loop, std::string replica, std::size_t max = Sessions::sessions_max)
      : loop_(loop),
        tools_(loop, std::move(replica)),
        sessions_(max) {}

  Task<void> handle(const wire::Request& request, wire::ReplyWriter& writer) override;
  const std::string& replica() const { return tools_.replica(); }
  std::size_t sessions() const { return sessions_.size(); }

 private:
  // The session whose event stream the client opens; good until the first wait.
  struct OpenEvents {
    Session* session;
  };
  // Most requests are answered at once; two kinds become flows of their own.
  using Answer = std::variant<wire::Reply, LongCall, OpenEvents>;

  Answer answer(const wire::Request& request);
  Answer answer_post(const wire::Request& request);
  Answer answer_get(const http::RequestHead& head);
  wire::Reply answer_delete(const http::RequestHead& head);
  Answer answer_legacy(const http::RequestHead& head, const Json& message);
  Answer answer_request(const http::RequestHead& head, const Json& message, Session* session);
  wire::Reply answer_batch(const http::RequestHead& head, const Json& batch);
  wire::Reply initialize(const Json& message, bool in_session);
  Outcome legacy_outcome(const Json& message, Session* session) const;
  static void deliver(const Json& response, Session& session);
  // The session that the request names; null with `refusal` set when it names none or a lost one.
  Session* session_of(const http::RequestHead& head, const Json& id, wire::Reply& refusal);

  Task<void> send_events(OpenEvents opened, wire::ReplyWriter& writer);

  net::Loop& loop_;
  Tools tools_;
  Sessions sessions_;
};

}  // namespace mcplb::demo
