#include "cluster/checks/mcp_talk.hpp"

#include <utility>

#include "mcplb/base/metrics.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/mcp/session_unknown.hpp"

namespace mcplb::cluster {
namespace {

constexpr std::int64_t method_not_found = -32601;
constexpr std::int64_t header_mismatch = -32020;
constexpr std::int64_t missing_capability = -32021;
constexpr std::int64_t unsupported_version = -32022;

// Only 2026-07-28 and later know these (§Error handling); whoever writes one is a modern server.
bool is_modern_error(std::int64_t code) {
  return code == header_mismatch || code == missing_capability || code == unsupported_version;
}

constexpr std::string_view client_info = R"({"name":"mcplb","version":")" MCPLB_VERSION R"("})";

std::string new_id() {
  std::string id;
  append_request_id(id);
  return id;
}

std::string message_of(std::string_view id, std::string_view method, std::string_view params) {
  std::string body = R"({"jsonrpc":"2.0")";
  if (!id.empty()) body.append(R"(,"id":")").append(id).append(R"(")");
  body.append(R"(,"method":")").append(method).append(R"(")");
  if (!params.empty()) body.append(R"(,"params":)").append(params);
  return body += '}';
}

}  // namespace

Utterance say_discover() {
  Utterance said;
  said.id = new_id();
  said.protocol = modern_revision;
  said.mcp_method = "server/discover";
  std::string params = R"({"_meta":{"io.modelcontextprotocol/protocolVersion":")";
  params += modern_revision;
  params += R"(","io.modelcontextprotocol/clientCapabilities":{})";
  params += R"(,"io.modelcontextprotocol/clientInfo":)";
  params += client_info;
  params += "}}";
  said.body = message_of(said.id, said.mcp_method, params);
  return said;
}

Utterance say_initialize() {
  Utterance said;
  said.id = new_id();
  std::string params = R"({"protocolVersion":")";
  params += legacy_revision;
  params += R"(","capabilities":{},"clientInfo":)";
  params += client_info;
  params += '}';
  said.body = message_of(said.id, "initialize", params);
  return said;
}

Utterance say_initialized(const std::string& session, const std::string& protocol) {
  Utterance said;
  said.session = session;
  said.protocol = protocol;
  said.body = message_of("", "notifications/initialized", "");
  return said;
}

Utterance say_ping(const std::string& session, const std::string& protocol) {
  Utterance said;
  said.id = new_id();
  said.session = session;
  said.protocol = protocol;
  said.body = message_of(said.id, "ping", "");
  return said;
}

Utterance say_goodbye(const std::string& session, const std::string& protocol) {
  Utterance said;
  said.http_method = http::Method::del;
  said.session = session;
  said.protocol = protocol;
  return said;
}

std::string Heard::summary() const {
  if (failed()) return failure;
  if (!success() || response == std::nullopt) return "status " + std::to_string(status);
  return response->is_error ? "error " + std::to_string(response->code) : "answered";
}

bool Ear::on_head(const wire::CallHead& head) {
  heard_.status = head.status;
  event_stream_ = head.event_stream;
  content_type_ = head.content_type;
  const bool usable =
      mcp::is_session_id(head.session) && head.session.size() <= limits::session_id_bytes_max;
  if (usable) heard_.session = head.session;
  return !id_.empty() && !heard_.wants_credentials();
}

bool Ear::on_content(std::string_view content) {
  bytes_ += content.size();
  too_large_ = bytes_ > limits::check_reply_bytes_max;
  if (too_large_) {
    count_limit_hit(Limit::check_reply_bytes);
    return false;
  }
  if (!event_stream_ || !heard_.success()) {
    body_ += content;
    return true;
  }
  while (!content.empty()) {
    content.remove_prefix(events_.feed(content));
    // Notifications and whatever else comes before the response are stepped over.
    if (events_.has_event()) heard_.response = mcp::find_response(events_.data(), id_);
    if (heard_.response) return false;
  }
  return true;
}

Heard Ear::heard(const char* failure) && {
  if (too_large_) failure = "reply too large";
  // Who was heard as far as that needs no more.
  if (!heard_.response && !heard_.wants_credentials()) heard_.failure = failure;
  if (!heard_.response && !heard_.failed() && !id_.empty() && !body_.empty()) {
    heard_.response = mcp::find_response(body_, id_);
  }
  const bool said_inside =
      heard_.success() && heard_.response && mcp::says_session_unknown(*heard_.response);
  heard_.session_unknown =
      said_inside ||
      (!heard_.failed() && mcp::says_session_unknown(heard_.status, content_type_, body_));
  return std::move(heard_);
}

// The rules by which clients tell the eras apart (2026-07-28 §Backward compatibility), less strict
// where only life is asked for. 5xx and 429 say nothing about the era.
Discovery judge_discovery(const Heard& heard) {
  if (heard.failed()) return Discovery::bad;
  if (heard.has_result() || is_modern_error(heard.error_code())) return Discovery::modern;
  if (heard.status == 404 && heard.error_code() == method_not_found) return Discovery::modern;
  if (heard.success()) {
    // Without sessions, a legacy server looks at the method first.
    return heard.error_code() != 0 ? Discovery::legacy : Discovery::bad;
  }
  const bool refused = heard.status >= 400 && heard.status < 500 && heard.status != 429;
  return refused ? Discovery::legacy : Discovery::bad;
}

PingOutcome judge_ping(const Heard& heard) {
  if (heard.failed()) return PingOutcome::bad;
  if (heard.wants_credentials() || heard.has_result()) return PingOutcome::good;
  if (heard.session_unknown) return PingOutcome::session_gone;
  // A server without `ping` has read it.
  const bool unknown_method = heard.error_code() == method_not_found;
  return unknown_method ? PingOutcome::good : PingOutcome::bad;
}

}  // namespace mcplb::cluster
