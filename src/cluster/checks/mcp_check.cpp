// The server answers as an MCP server: `server/discover` where it is modern; where it is not, a
// ping in one session, the canary, which is opened once and kept. A hanging process, a wrong path
// and a server that answers 5xx are found; a canary that is forgotten shows a restart that was too
// quick to be seen otherwise.
#include <string>
#include <utility>
#include <vector>

#include "mcplb/mcp/message.hpp"
#include "mcplb/wire/call.hpp"

#include "cluster/checks/checks.hpp"
#include "cluster/checks/mcp_talk.hpp"

namespace mcplb::cluster {
namespace {

// Sessions that wait for their DELETE; more than one only while a server answers oddly.
constexpr std::size_t leftovers_max = 4;
// Pings that were answered, but not well, until the session itself is doubted.
constexpr int odd_pings_max = 2;

class McpCheck final : public Check {
 public:
  explicit McpCheck(CheckTarget target) : target_(std::move(target)) {}

  Task<CheckAnswer> run(Deadline deadline) override;
  bool leaves_something() const override {
    return opening_ || !canary_.session.empty() || !leftovers_.empty();
  }
  Task<void> end(Deadline deadline) override;

 private:
  // A legacy server without sessions has a canary without a session.
  struct Canary {
    bool open = false;
    std::string session;
    std::string protocol;
    int odd_pings = 0;
  };
  using Era = mcp::Era;

  Task<CheckAnswer> discover(Deadline deadline);
  Task<CheckAnswer> open_canary(Deadline deadline);
  Task<CheckAnswer> ping(Deadline deadline);
  Task<void> delete_leftovers(Deadline deadline);
  Task<Heard> talk(Utterance said, Deadline deadline);
  void leave_over(std::string session);
  void give_up_canary();

  const CheckTarget target_;
  Era era_ = Era::none;  // none: not known yet
  Canary canary_;
  bool opening_ = false;  // a reply that is awaited may name a session
  std::vector<std::string> leftovers_;
};

CheckAnswer alive(std::string text) {
  CheckAnswer answer;
  answer.good = true;
  answer.text = std::move(text);
  return answer;
}

CheckAnswer not_well(std::string text) {
  CheckAnswer answer;
  answer.text = std::move(text);
  return answer;
}

// A server that is not known is asked as a modern one first; what it turns out to be is remembered,
// so that a check is one request.
Task<CheckAnswer> McpCheck::run(Deadline deadline) {
  bool restarted = false;
  if (canary_.open) {
    auto pinged = co_await ping(deadline);
    restarted = pinged.restarted;
    if (!restarted) co_return std::move(pinged);
    // It may be another version now, so it is met anew.
    era_ = Era::none;
  }
  auto answer = co_await discover(deadline);
  answer.restarted = restarted;
  if (answer.good) co_await delete_leftovers(deadline);
  co_return std::move(answer);
}

Task<CheckAnswer> McpCheck::discover(Deadline deadline) {
  std::string before;
  if (era_ != Era::legacy) {
    opening_ = true;
    Utterance said = say_discover();
    auto heard = co_await talk(std::move(said), deadline);
    opening_ = false;
    // Some legacy servers open a session for whatever comes without one, and refuse it then.
    leave_over(std::move(heard.session));
    if (heard.wants_credentials()) co_return alive(heard.summary());
    const Discovery discovery = judge_discovery(heard);
    if (discovery == Discovery::bad) co_return not_well("server/discover: " + heard.summary());
    era_ = discovery == Discovery::modern ? Era::modern : Era::legacy;
    if (era_ == Era::modern) co_return alive("server/discover: " + heard.summary());
    before = "server/discover: " + heard.summary() + "; ";
  }
  auto answer = co_await open_canary(deadline);
  if (!answer.good) answer.text = before + answer.text;
  co_return std::move(answer);
}

Task<CheckAnswer> McpCheck::open_canary(Deadline deadline) {
  opening_ = true;
  Utterance said = say_initialize();
  auto heard = co_await talk(std::move(said), deadline);
  opening_ = false;
  if (heard.wants_credentials()) co_return alive(heard.summary());
  if (!heard.has_result()) {
    leave_over(std::move(heard.session));
    if (!heard.failed()) era_ = Era::none;
    co_return not_well("initialize: " + heard.summary());
  }
  canary_.open = true;
  canary_.odd_pings = 0;
  canary_.session = std::move(heard.session);
  canary_.protocol = std::move(heard.response->protocol_version);
  if (!mcp::is_session_id(canary_.protocol)) canary_.protocol = legacy_revision;
  // Whatever becomes of it shows with the next ping.
  Utterance then = say_initialized(canary_.session, canary_.protocol);
  co_await talk(std::move(then), deadline);
  co_return alive("initialize: answered");
}

Task<CheckAnswer> McpCheck::ping(Deadline deadline) {
  Utterance said = say_ping(canary_.session, canary_.protocol);
  auto heard = co_await talk(std::move(said), deadline);
  const PingOutcome outcome = judge_ping(heard);
  if (outcome == PingOutcome::good) {
    canary_.odd_pings = 0;
    co_return alive("ping: " + heard.summary());
  }
  CheckAnswer answer = not_well("ping: " + heard.summary());
  if (outcome == PingOutcome::session_gone) {
    answer.restarted = !canary_.session.empty();
    canary_ = Canary{};
  } else if (!heard.failed() && ++canary_.odd_pings >= odd_pings_max) {
    // The server may be well and only this session spoilt.
    give_up_canary();
  }
  co_return answer;
}

Task<Heard> McpCheck::talk(Utterance said, Deadline deadline) {
  Heard nothing;
  auto stream = co_await target_.connector.connect(target_.backend, deadline);
  if (!stream) {
    nothing.failure = stream.error().what;
    co_return std::move(nothing);
  }
  wire::CallRequest request;
  request.method = said.http_method;
  request.target = target_.path;
  const bool has_body = !said.body.empty();
  request.fields = {
      {"Host", target_.host},
      {"User-Agent", check_user_agent},
      {"Accept", has_body ? "application/json, text/event-stream" : ""},
      {"Content-Type", has_body ? "application/json" : ""},
      {"Mcp-Session-Id", std::move(said.session)},
      {"MCP-Protocol-Version", std::move(said.protocol)},
      {"Mcp-Method", std::move(said.mcp_method)},
  };
  request.body = std::move(said.body);
  Ear ear(said.id);
  auto ended = co_await wire::call(**stream, std::move(request), ear, deadline);
  co_return std::move(ear).heard(ended ? "" : ended.error().what);
}

void McpCheck::leave_over(std::string session) {
  if (session.empty()) return;
  if (leftovers_.size() == leftovers_max) leftovers_.erase(leftovers_.begin());
  leftovers_.push_back(std::move(session));
}

void McpCheck::give_up_canary() {
  leave_over(std::move(canary_.session));
  canary_ = Canary{};
}

Task<void> McpCheck::delete_leftovers(Deadline deadline) {
  const std::string protocol = canary_.protocol;
  while (!leftovers_.empty()) {
    const std::string session = std::move(leftovers_.back());
    leftovers_.pop_back();
    Utterance said = say_goodbye(session, protocol);
    co_await talk(std::move(said), deadline);
  }
}

Task<void> McpCheck::end(Deadline deadline) {
  leave_over(std::exchange(canary_.session, {}));
  co_await delete_leftovers(deadline);
}

}  // namespace

std::unique_ptr<Check> make_mcp_check(CheckTarget target) {
  return std::make_unique<McpCheck>(std::move(target));
}

}  // namespace mcplb::cluster
