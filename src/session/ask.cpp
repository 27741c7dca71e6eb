#include "mcplb/session/ask.hpp"

#include <coroutine>
#include <string>
#include <string_view>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/wire/call.hpp"

#include "session/ask_reply.hpp"
#include "session/own_call.hpp"

namespace mcplb::session {
namespace {

// Lets the asking wait for verdicts. It goes on at the loop's next turn, never from inside of the
// flow that brings one: that flow may be ended by what follows.
class News final : private Deferred {
 public:
  class Awaiter;
  News(net::Timers& timers, DeferQueue& turns) : timers_(timers), turns_(turns) {}

  void announce() {
    fresh_ = true;
    turns_.defer(*this);
  }
  // True when there is news since the last wait, false when the deadline passed first.
  Awaiter wait(Deadline deadline);

 private:
  void run_deferred() override;

  net::Timers& timers_;
  DeferQueue& turns_;
  bool fresh_ = false;
  Awaiter* waiter_ = nullptr;
};

class News::Awaiter final : private net::Timer {
 public:
  Awaiter(News& news, Deadline deadline) : news_(news), deadline_(deadline) {}
  ~Awaiter() override { news_.waiter_ = nullptr; }
  Awaiter(const Awaiter&) = delete;
  Awaiter& operator=(const Awaiter&) = delete;

  bool await_ready() const { return news_.fresh_ || deadline_.passed(news_.timers_.now()); }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    news_.waiter_ = this;
    news_.timers_.arm(*this, deadline_);
  }
  bool await_resume() const { return std::exchange(news_.fresh_, false); }
  void resume() {
    disarm();
    waiting_.resume();
  }

 private:
  void on_timer() override { waiting_.resume(); }

  News& news_;
  Deadline deadline_;
  std::coroutine_handle<> waiting_;
};

News::Awaiter News::wait(Deadline deadline) { return {*this, deadline}; }

void News::run_deferred() {
  // The news may have been taken without a wait since this turn was asked for.
  if (fresh_ && waiter_ != nullptr) waiter_->resume();
}

// One asking. Owned by its flow, which owns the flows that refer to it.
struct Round {
  Round(Asker::Connector& way, std::vector<cluster::Backend*> asked, Question asked_about,
        net::Timers& timers, DeferQueue& turns)
      : connector(way),
        backends(std::move(asked)),
        question(std::move(asked_about)),
        deadline(timers.in(limits::ask_time)),
        tally(backends.size()),
        news(timers, turns) {}

  Asker::Connector& connector;
  const std::vector<cluster::Backend*> backends;
  const Question question;
  const Deadline deadline;
  // Of the pings. A string, because a small number could be the id of a call that the client has
  // open in this session: servers keep streams by id.
  const std::string id = random_id();
  Tally tally;
  News news;
  std::size_t begun = 0;
  std::size_t under_way = 0;

  void note(const cluster::Backend& backend, Verdict verdict) {
    --under_way;
    tally.add(backend.id(), verdict);
    news.announce();
  }
};

wire::CallRequest ping(const Round& round, const cluster::Backend& backend) {
  const Question& question = round.question;
  wire::CallRequest request;
  request.target = question.target;
  request.fields = {
      {"Host", question.host.empty() ? backend.authority() : question.host},
      {"Authorization", question.authorization},
      {"Accept", "application/json, text/event-stream"},
      {"Content-Type", "application/json"},
      {"Mcp-Session-Id", question.session},
      {"MCP-Protocol-Version", question.protocol_version},
  };
  request.body = R"({"jsonrpc":"2.0","id":")" + round.id + R"(","method":"ping"})";
  return request;
}

Task<void> ask_one(Round& round, cluster::Backend& backend) {
  auto connected = co_await round.connector.connect(backend, round.deadline);
  if (!connected) {
    const Error& error = connected.error();
    const bool gone = error.kind == Error::Kind::refused && error.side == Error::Side::backend;
    round.note(backend, gone ? Verdict::gone : Verdict::silent);
    co_return;
  }
  cluster::Lease lease = std::move(*connected);
  ReplyJudge judge(round.id);
  wire::CallRequest request = ping(round, backend);
  auto ended = co_await wire::call(*lease->stream, std::move(request), judge, round.deadline);
  const bool whole = static_cast<bool>(ended);
  const Verdict verdict = judge.verdict(whole);
  if (verdict == Verdict::forbidden) round.tally.add_refusal(judge.take_refusal(whole));
  round.note(backend, verdict);
}

void begin_more(Round& round, Nursery& nursery) {
  while (round.begun < round.backends.size() && round.under_way < limits::asked_backends_max) {
    cluster::Backend& backend = *round.backends[round.begun++];
    ++round.under_way;
    nursery.spawn(ask_one(round, backend));
  }
}

// Counts an asking for as long as its flow lives.
class Share {
 public:
  explicit Share(std::size_t& count) : count_(count) { ++count_; }
  ~Share() { --count_; }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

 private:
  std::size_t& count_;
};

}  // namespace

Task<Answer> Asker::ask(cluster::Dispatcher& dispatcher, Question question) {
  Connecting connector(dispatcher);
  co_return co_await ask(connector, dispatcher.view().backends, std::move(question));
}

Task<Answer> Asker::ask(Connector& connector, std::vector<cluster::Backend*> backends,
                        Question question) {
  if (asking_ >= limits::asks_max) {
    count_limit_hit(Limit::asks);
    Answer overloaded;
    overloaded.outcome = Answer::Outcome::overloaded;
    co_return overloaded;
  }
  const Share share(asking_);
  if (backends.size() > limits::asked_backends_max) count_limit_hit(Limit::asked_backends);
  Round round(connector, std::move(backends), std::move(question), timers_, turns_);
  Nursery nursery(turns_);  // its flows refer to the round, so it goes first
  // Every flow ends by itself at the round's deadline, and knows best what was said by then.
  Deadline until = timers_.in(limits::ask_time + limits::ask_grace);
  bool claimed = false;
  while (true) {
    begin_more(round, nursery);
    if (round.tally.decided()) break;
    if (round.tally.has_claim() && !std::exchange(claimed, true)) {
      until = earlier(until, timers_.in(limits::ask_grace));
    }
    auto goes_on = co_await round.news.wait(until);
    if (!goes_on) break;
  }
  co_return std::move(round.tally).answer();
}

}  // namespace mcplb::session
