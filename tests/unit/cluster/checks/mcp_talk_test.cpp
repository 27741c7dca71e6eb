#include "cluster/checks/mcp_talk.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "mcplb/base/metrics.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

wire::CallHead head_of(int status, std::string_view content_type = "application/json") {
  wire::CallHead head;
  head.status = status;
  head.content_type = content_type;
  head.event_stream = content_type == "text/event-stream";
  return head;
}

Heard hear(int status, std::string_view body, std::string_view content_type = "application/json") {
  Ear ear("i");
  if (ear.on_head(head_of(status, content_type))) ear.on_content(body);
  return std::move(ear).heard("");
}

std::string error_text(int code, const std::string& message = "x") {
  return R"({"jsonrpc":"2.0","id":"i","error":{"code":)" + std::to_string(code) +
         R"(,"message":")" + message + R"("}})";
}

const std::string result = R"({"jsonrpc":"2.0","id":"i","result":{"protocolVersion":"p"}})";

}  // namespace

TEST_SUITE("cluster/mcp_talk") {
  TEST_CASE("discover is a whole 2026-07-28 request") {
    const Utterance said = say_discover();
    const auto body = nlohmann::json::parse(said.body);
    const auto& meta = body["params"]["_meta"];
    CHECK(body["jsonrpc"] == "2.0");
    CHECK(body["id"] == said.id);
    CHECK(body["method"] == said.mcp_method);
    CHECK(said.mcp_method == "server/discover");
    CHECK(meta["io.modelcontextprotocol/protocolVersion"] == said.protocol);
    CHECK(said.protocol == "2026-07-28");
    CHECK(meta["io.modelcontextprotocol/clientCapabilities"] == nlohmann::json::object());
    CHECK(meta["io.modelcontextprotocol/clientInfo"]["name"] == "mcplb");
    CHECK(said.session.empty());
  }

  TEST_CASE("initialize asks for the newest legacy revision and names none in its head") {
    const Utterance said = say_initialize();
    const auto body = nlohmann::json::parse(said.body);
    CHECK(body["method"] == "initialize");
    CHECK(body["params"]["protocolVersion"] == "2025-11-25");
    CHECK(body["params"]["capabilities"] == nlohmann::json::object());
    CHECK(said.protocol.empty());
    CHECK(said.mcp_method.empty());
  }

  TEST_CASE("the notification has no id, and no two requests share one") {
    const auto body = nlohmann::json::parse(say_initialized("s", "p").body);
    CHECK(body ==
          nlohmann::json::parse(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"));
    CHECK(say_ping("s", "p").id != say_ping("s", "p").id);
  }

  TEST_CASE("a result of a modern server ends the question, as JSON and in a stream") {
    CHECK(judge_discovery(hear(200, result)) == Discovery::modern);
    CHECK(
        judge_discovery(hear(
            200, ": hi\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\ndata: " + result + "\n\n",
            "text/event-stream")) == Discovery::modern);
  }

  TEST_CASE("errors that only modern servers know are life, whatever the status") {
    for (const int code : {-32020, -32021, -32022}) {
      CHECK(judge_discovery(hear(400, error_text(code))) == Discovery::modern);
      CHECK(judge_discovery(hear(200, error_text(code))) == Discovery::modern);
    }
    CHECK(judge_discovery(hear(404, error_text(-32601))) == Discovery::modern);
  }

  TEST_CASE("other refusals mean a legacy server") {
    CHECK(judge_discovery(hear(400, "")) == Discovery::legacy);
    CHECK(judge_discovery(hear(400, error_text(-32000, "Bad Request: no valid session ID"))) ==
          Discovery::legacy);
    CHECK(judge_discovery(hear(404, "<html>", "text/html")) == Discovery::legacy);
    CHECK(judge_discovery(hear(405, "")) == Discovery::legacy);
    CHECK(judge_discovery(hear(200, error_text(-32601))) == Discovery::legacy);
    CHECK(judge_discovery(hear(200, error_text(-32602))) == Discovery::legacy);
  }

  TEST_CASE("trouble and nonsense are neither") {
    for (const int status : {500, 502, 503, 429, 301}) {
      CHECK(judge_discovery(hear(status, "")) == Discovery::bad);
    }
    CHECK(judge_discovery(hear(200, "<html>welcome", "text/html")) == Discovery::bad);
    CHECK(judge_discovery(hear(200, "")) == Discovery::bad);
    CHECK(judge_discovery(hear(200, R"({"jsonrpc":"2.0","id":"other","result":{}})")) ==
          Discovery::bad);
  }

  TEST_CASE("a ping is good with a result, without the method, and for want of credentials") {
    CHECK(judge_ping(hear(200, result)) == PingOutcome::good);
    CHECK(judge_ping(hear(200, error_text(-32601))) == PingOutcome::good);
    CHECK(judge_ping(hear(404, error_text(-32601))) == PingOutcome::good);
    CHECK(judge_ping(hear(401, "")) == PingOutcome::good);
    CHECK(judge_ping(hear(403, "")) == PingOutcome::good);
    CHECK(judge_ping(hear(200, error_text(-32603))) == PingOutcome::bad);
    CHECK(judge_ping(hear(503, "")) == PingOutcome::bad);
    CHECK(judge_ping(hear(202, "")) == PingOutcome::bad);
  }

  TEST_CASE("a session that is gone is heard in any dialect") {
    CHECK(judge_ping(hear(404, "")) == PingOutcome::session_gone);
    CHECK(judge_ping(hear(404, error_text(-32001, "Session not found"))) ==
          PingOutcome::session_gone);
    CHECK(judge_ping(hear(400, error_text(-32000, "Bad Request: No valid session ID provided"))) ==
          PingOutcome::session_gone);
    CHECK(judge_ping(hear(200, error_text(-32000, "Session not found"))) ==
          PingOutcome::session_gone);
  }

  TEST_CASE("a reply without end is read no further than its bound") {
    const std::uint64_t hits = limit_hits(Limit::check_reply_bytes);
    for (const char* const type : {"application/json", "text/event-stream"}) {
      Ear ear("i");
      REQUIRE(ear.on_head(head_of(200, type)));
      const std::string part(limits::check_reply_bytes_max / 2, ' ');
      CHECK(ear.on_content(part));
      CHECK(ear.on_content(part));
      CHECK_FALSE(ear.on_content(part));
      CHECK(std::move(ear).heard("").summary() == "reply too large");
    }
    CHECK(limit_hits(Limit::check_reply_bytes) == hits + 2);
  }

  TEST_CASE("only a session id that can be sent back is taken") {
    for (const auto& [id, taken] : {std::pair<std::string, bool>{"s-1", true},
                                    {"a b", false},
                                    {"", false},
                                    {std::string(limits::session_id_bytes_max + 1, 's'), false}}) {
      Ear ear("i");
      wire::CallHead head = head_of(400);
      head.session = id;
      ear.on_head(head);
      CHECK(std::move(ear).heard("").session == (taken ? id : ""));
    }
  }

  TEST_CASE("the summary never repeats what a server wrote") {
    CHECK(hear(200, error_text(-32603, "secret")).summary() == "error -32603");
    CHECK(hear(503, "secret").summary() == "status 503");
    CHECK(hear(200, result).summary() == "answered");
    CHECK(Ear("i").heard("timeout").summary() == "timeout");
  }
}
