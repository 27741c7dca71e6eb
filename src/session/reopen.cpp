#include "session/reopen.hpp"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "mcplb/base/limits.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/mcp/opening.hpp"
#include "mcplb/mcp/response.hpp"

#include "session/own_call.hpp"

namespace mcplb::session {
namespace {

using Outcome = Reopened::Outcome;

// From here on every request names the revision that was agreed upon.
constexpr std::string_view protocol_header_since = "2025-06-18";

class InitializeReply final : public OwnReply {
 public:
  // After the last call.
  Outcome judge(bool whole, const Reopening& how, std::string& protocol) {
    if (is_refusal(status())) return Outcome::forbidden;
    // Any other 4xx: it does not open such a session.
    const bool refused = status() >= 400 && status() <= 499 && status() != 429;
    if (!is_success(status())) return refused ? Outcome::lesser : Outcome::silent;
    if (!result_ && !whole) return Outcome::silent;
    if (!result_ && !is_event_stream() && !too_large()) {
      result_ = mcp::read_initialize_result(content_type(), body());
    }
    if (!result_ || !mcp::is_session_id(session)) return Outcome::lesser;
    if (session.size() > limits::backend_session_bytes_max) return Outcome::lesser;
    protocol = result_->protocol;
    const bool same = how.protocol.empty() || protocol == how.protocol;
    const bool enough =
        mcp::offers_no_less(result_->capabilities, how.replay.opening->capabilities);
    return same && enough ? Outcome::opened : Outcome::lesser;
  }

  std::string session;

 private:
  bool wants_body(const wire::CallHead& head) override {
    if (is_success(head.status)) session = head.session;
    return is_success(head.status) || is_refusal(head.status);
  }
  bool on_event(std::string_view data) override {
    result_ = mcp::read_initialize_result({}, data);
    return !result_;
  }

  std::optional<mcp::InitializeResult> result_;
};

// Of a notification, or of a request when `id` is not empty.
class PlainReply final : public OwnReply {
 public:
  explicit PlainReply(std::string_view id) : id_(id) {}

  bool is_good() const {
    if (!is_success(status())) return false;
    if (id_.empty()) return true;
    const auto response = response_ ? response_ : mcp::find_response(body(), id_);
    return response && !response->is_error;
  }

 private:
  bool wants_body(const wire::CallHead& head) override {
    return is_success(head.status) && !id_.empty();
  }
  bool on_event(std::string_view data) override {
    response_ = mcp::find_response(data, id_);
    return !response_;
  }

  const std::string_view id_;
  std::optional<mcp::Response> response_;
};

wire::CallRequest request_of(const cluster::Backend& backend, const Reopening& how,
                             std::string body) {
  wire::CallRequest request;
  request.target = how.target;
  request.fields = {
      {"Host", how.host.empty() ? backend.authority() : how.host},
      {"Accept", "application/json, text/event-stream"},
      {"Content-Type", "application/json"},
  };
  request.lines = how.lines;
  request.body = std::move(body);
  return request;
}

wire::CallRequest request_in(const cluster::Backend& backend, const Reopening& how,
                             const Reopened& opened, std::string body) {
  wire::CallRequest request = request_of(backend, how, std::move(body));
  request.fields.push_back({"Mcp-Session-Id", opened.session});
  const bool wants_protocol = opened.protocol >= protocol_header_since;
  if (wants_protocol) request.fields.push_back({"MCP-Protocol-Version", opened.protocol});
  return request;
}

Task<bool> send(Asker::Connector& connector, cluster::Backend& backend, wire::CallRequest request,
                std::string id, Deadline deadline) {
  auto connected = co_await connector.connect(backend, deadline);
  if (!connected) co_return false;
  cluster::Lease lease = std::move(*connected);
  PlainReply reply(id);
  auto ended = co_await wire::call(*lease->stream, std::move(request), reply, deadline);
  co_return static_cast<bool>(ended) && reply.is_good();
}

// A text out of the store may be anything.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string request_body(const std::string& id, std::string_view method,
                         const std::string& params) {
  std::string body = R"({"jsonrpc":"2.0","id":")" + id + R"(","method":")";
  body.append(method).append(R"(","params":)").append(params).append("}");
  return body;
}

}  // namespace

Task<Reopened> reopen(Asker::Connector& connector, cluster::Backend& backend,
                      const Reopening& how, Deadline deadline) {
  Reopened reopened;
  auto connected = co_await connector.connect(backend, deadline);
  if (!connected) {
    const bool timed_out = connected.error().kind == Error::Kind::timeout;
    reopened.outcome = timed_out ? Outcome::silent : Outcome::away;
    co_return reopened;
  }
  cluster::Lease lease = std::move(*connected);
  InitializeReply reply;
  wire::CallRequest request = request_of(backend, how, how.replay.opening->initialize);
  auto ended = co_await wire::call(*lease->stream, std::move(request), reply, deadline);
  const bool whole = static_cast<bool>(ended);
  lease.close();
  reopened.outcome = reply.judge(whole, how, reopened.protocol);
  if (mcp::is_session_id(reply.session)) reopened.session = std::move(reply.session);
  if (reopened.outcome == Outcome::forbidden) reopened.refusal = reply.take_refusal(whole);
  if (reopened.outcome != Outcome::opened) co_return reopened;
  wire::CallRequest initialized = request_in(
      backend, how, reopened, R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  auto taken = co_await send(connector, backend, std::move(initialized), std::string(), deadline);
  if (!taken) reopened.outcome = Outcome::silent;
  co_return reopened;
}

Task<std::size_t> replay_journal(Asker::Connector& connector, cluster::Backend& backend,
                                 const Reopening& how, const Reopened& opened,
                                 Deadline deadline) {
  const mcp::Journal& journal = how.replay.journal;
  std::vector<std::pair<std::string_view, std::string>> calls;
  if (!journal.set_level.empty()) calls.emplace_back("logging/setLevel", journal.set_level);
  for (const std::string& uri : journal.subscriptions)
    calls.emplace_back("resources/subscribe", R"({"uri":)" + quoted(uri) + "}");
  std::size_t refused = 0;
  for (const auto& call : calls) {
    const std::string id = random_id();
    wire::CallRequest request =
        request_in(backend, how, opened, request_body(id, call.first, call.second));
    auto taken = co_await send(connector, backend, std::move(request), id, deadline);
    if (!taken) ++refused;
  }
  co_return refused;
}

}  // namespace mcplb::session
