#include "session/ask_reply.hpp"

#include <utility>

#include "mcplb/mcp/response.hpp"
#include "mcplb/mcp/session_unknown.hpp"

namespace mcplb::session {
namespace {

// By the specification a server looks at the session first, and answers an unknown one with 404
// and never with a response. So a result claims the session, and so does an error that comes from
// handling the call: no such method, its parameters, or the application's own codes. The codes in
// which transports and gateways fail (JSON-RPC 2.0 §5.1: parse error, invalid request, internal
// error, and the implementation's own range) show nothing: they may stand for a look at the
// session that failed.
Verdict judge_response(const mcp::Response& response) {
  constexpr std::int64_t reserved_min = -32768;
  constexpr std::int64_t reserved_max = -32000;
  constexpr std::int64_t method_not_found = -32601;
  constexpr std::int64_t invalid_params = -32602;
  if (mcp::says_session_unknown(response)) return Verdict::unknown;
  if (response.id_is_null) return Verdict::silent;
  if (!response.is_error) return Verdict::claims;
  if (response.code == method_not_found || response.code == invalid_params) return Verdict::claims;
  const bool reserved = response.code >= reserved_min && response.code <= reserved_max;
  return reserved || response.code == 0 ? Verdict::silent : Verdict::claims;
}

}  // namespace

bool ReplyJudge::wants_body(const wire::CallHead& head) {
  const int status = head.status;
  if (status == 404 || status == 410) {
    // Whatever else it may mean (a wrong path, a modern server without `ping`): whoever answers
    // so holds no session here.
    decided_ = Verdict::unknown;
  } else if (!is_success(status) && (status < 400 || status > 499 || status == 429)) {
    decided_ = Verdict::silent;
  }
  return !decided_;
}

// Notifications, requests and whatever else comes before the answer are stepped over.
bool ReplyJudge::on_event(std::string_view data) {
  const auto response = mcp::find_response(data, id_);
  if (response) decided_ = judge_response(*response);
  return !response;
}

Verdict ReplyJudge::verdict(bool whole) {
  if (decided_) return *decided_;
  if (is_refusal(status())) return Verdict::forbidden;
  if (!whole || too_large() || is_event_stream()) return Verdict::silent;
  if (!is_success(status())) {
    return mcp::says_session_unknown(status(), content_type(), body()) ? Verdict::unknown
                                                                       : Verdict::silent;
  }
  const auto response = mcp::find_response(body(), id_);
  return response ? judge_response(*response) : Verdict::silent;
}

void Tally::add(BackendId backend, Verdict verdict) {
  ++noted_;
  if (verdict == Verdict::silent) ++silent_;
  if (verdict != Verdict::claims) return;
  ++claims_;
  claimant_ = backend;
}

void Tally::add_refusal(Refusal refusal) {
  const bool better = !refusal_ || (refusal_->www_authenticate.empty() &&
                                    !refusal.www_authenticate.empty());
  if (better) refusal_ = std::move(refusal);
}

Answer Tally::answer() && {
  using Outcome = Answer::Outcome;
  Answer answer;
  if (claims_ == 1) {
    // Session ids are not to be guessed, so who answers inside of one holds it. The silent change
    // nothing.
    answer.outcome = Outcome::owner;
    answer.owner = claimant_;
  } else if (claims_ > 1) {
    answer.outcome = Outcome::shared;
  } else if (silent_ > 0 || noted_ < backends_ || backends_ == 0) {
    answer.outcome = Outcome::unavailable;
  } else if (refusal_) {
    answer.outcome = Outcome::forbidden;
    answer.refusal = *std::move(refusal_);
  } else {
    answer.outcome = Outcome::unknown;
  }
  return answer;
}

}  // namespace mcplb::session
