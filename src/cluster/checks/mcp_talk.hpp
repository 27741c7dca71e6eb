// What a health check says to an MCP server, and what the server's reply comes to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mcplb/base/limits.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/mcp/response.hpp"
#include "mcplb/mcp/sse.hpp"
#include "mcplb/wire/call.hpp"

namespace mcplb::cluster {

// The newest revisions of the two eras.
inline constexpr std::string_view modern_revision = "2026-07-28";
inline constexpr std::string_view legacy_revision = "2025-11-25";

// One message. `id` is empty when no response is expected.
struct Utterance {
  http::Method http_method = http::Method::post;
  std::string id;
  std::string protocol;    // MCP-Protocol-Version
  std::string mcp_method;  // Mcp-Method, which only modern messages have
  std::string session;
  std::string body;
};
Utterance say_discover();
Utterance say_initialize();
Utterance say_initialized(const std::string& session, const std::string& protocol);
Utterance say_ping(const std::string& session, const std::string& protocol);
Utterance say_goodbye(const std::string& session, const std::string& protocol);  // DELETE

// What came back.
struct Heard {
  const char* failure = "";  // why there is no reply, or no whole one; "" when there is
  int status = 0;
  std::string session;  // that the head names
  std::optional<mcp::Response> response;
  bool session_unknown = false;  // it does not know the session of the message

  bool failed() const { return *failure != '\0'; }
  bool success() const { return status >= 200 && status < 300; }
  // It will not talk to us, so it lives.
  bool wants_credentials() const { return status == 401 || status == 403; }
  bool has_result() const { return success() && response && !response->is_error; }
  std::int64_t error_code() const { return response && response->is_error ? response->code : 0; }
  // "status 503", "error -32603", "timeout".
  std::string summary() const;
};

// Reads one reply, as far as the response in it.
class Ear final : public wire::ReplySink {
 public:
  // `id`: what the message carried; it outlives this.
  explicit Ear(std::string_view id) : id_(id) {}

  bool on_head(const wire::CallHead& head) override;
  bool on_content(std::string_view content) override;
  // After the last call; `failure` as in Heard.
  Heard heard(const char* failure) &&;

 private:
  const std::string_view id_;
  Heard heard_;
  bool event_stream_ = false;
  bool too_large_ = false;
  std::size_t bytes_ = 0;
  std::string content_type_;
  std::string body_;  // unless it is an event stream
  mcp::SseDataReader events_{limits::check_reply_bytes_max};
};

enum class Discovery : std::uint8_t { modern, legacy, bad };
// What the reply to `server/discover` says: a modern server lives, it is no modern server (so a
// legacy one is to be tried), or neither.
Discovery judge_discovery(const Heard& heard);

enum class PingOutcome : std::uint8_t { good, session_gone, bad };
PingOutcome judge_ping(const Heard& heard);

}  // namespace mcplb::cluster
