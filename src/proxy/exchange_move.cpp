// Sessions whose owner is gone, or is to be emptied: the session is opened again on another
// backend and the exchange goes on there, or the client is told the truth.
#include <utility>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/mcp/session_unknown.hpp"
#include "proxy/exchange.hpp"

namespace mcplb::proxy {
namespace {

using http::Name;

// How long the body of a reply that may say "session unknown" is waited for.
constexpr milliseconds held_reply_wait{2000};

// When a stream looks again whether it can leave a backend that is drained.
constexpr milliseconds leave_again{1000};

// How often, and how long apart, it is looked whether a process still dies.
constexpr int dying_looks = 4;
constexpr milliseconds dying_look{50};

// Answers to requests of the old backend, and news about them: another one never asked.
bool means_only_its_owner(const mcp::Message& message) {
  return message.kind == mcp::Kind::response ||
         message.method == mcp::Method::notifications_cancelled ||
         message.method == mcp::Method::notifications_progress;
}

session::Refusal plain_reply(int status) {
  session::Refusal reply;
  reply.status = status;
  return reply;
}

}  // namespace

// The head of a reply that is the client's to see. Else why there is none, or passed_reply_.
Task<std::optional<LocalReply>> Exchange::obtain_reply() {
  for (int moves = 0; moves <= limits::moves_per_request; ++moves) {
    if (owner_gone_ != nullptr) {
      auto lost = co_await leave_owner();
      if (lost || passed_reply_) co_return lost;
      // The new owner may be gone, too.
      if (owner_gone_ != nullptr) continue;
    }
    auto head = co_await obtain_head();
    if (head) {
      if (knows_no_such_event()) {
        release_lease();
        without_last_event_id_ = true;
        continue;
      }
      if (!may_say_unknown()) co_return std::nullopt;
      co_await hold_reply();
      if (owner_gone_ == nullptr) co_return std::nullopt;
      continue;
    }
    if (owner_gone_ == nullptr) {
      const LocalReply reply = reply_for(head.error());
      if (owner_gone_ == nullptr && may_go_elsewhere(head.error())) {
        auto gone = co_await is_owner_gone();
        if (gone) note_owner_refuses();
      }
      if (owner_gone_ == nullptr) co_return reply;
    }
  }
  // Each owner was gone when it was asked. The session itself is well.
  co_return LocalReply{Reason::owner_unavailable, "", outcome_so_far()};
}

// Nobody listens where the owner was: its process, and the session with it, is gone.
void Exchange::note_owner_refuses() {
  owner_gone_ = "owner refuses connections";
  owner_may_answer_ = false;
}

// A request that broke with its owner, and would do no harm if the owner had executed it.
bool Exchange::may_go_elsewhere(const Error& error) const {
  const bool broke = error.kind == Error::Kind::closed || error.kind == Error::Kind::reset;
  const bool harmless = licence() == mcp::Repeat::safe || !maybe_delivered_;
  return owned() && attempt_.connected && !attempt_.reply_begun && broke && harmless;
}

// Whom a session that somebody owns is sent to: its owner, if he is still there.
std::optional<LocalReply> Exchange::choose_owner() {
  // Who opened it again has told the new owner already.
  if (use_.generation() > 1 && message().method == mcp::Method::notifications_initialized) {
    pass(plain_reply(202));
    return std::nullopt;
  }
  // Events that the client knows are those of a former owner.
  if (use_.generation() > 1 && !use_.streamed()) without_last_event_id_ = true;
  cluster::Backend* const owner = pool_->dispatcher.view().find(use_.owner());
  candidates_[0] = owner;
  candidate_count_ = owner == nullptr ? 0 : 1;
  owner_may_answer_ = owner != nullptr && owner->mode() != cluster::Mode::disabled;
  if (owner == nullptr) {
    owner_gone_ = "owner is no longer configured";
  } else if (owner->mode() == cluster::Mode::disabled) {
    owner_gone_ = "owner is disabled";
  } else if (!owner->keeps_sessions()) {
    owner_gone_ = "owner fails its checks";
  } else if (owner->mode() == cluster::Mode::draining) {
    owner_gone_ = "owner is drained";
  }
  return std::nullopt;
}

// What becomes of the session, and of the request, when the owner cannot serve it. Returns nothing
// when the exchange goes on: with the candidates that are chosen now.
Task<std::optional<LocalReply>> Exchange::leave_owner() {
  const char* const why = std::exchange(owner_gone_, nullptr);
  const bool may_move = !message().endpoint_session && message().era == mcp::Era::legacy;
  const session::OnBackendLoss policy = pool_->session.on_backend_loss;
  if (policy == session::OnBackendLoss::reroute && may_move && !owner_drains()) {
    co_return reroute();
  }
  if (policy != session::OnBackendLoss::reestablish || !may_move) {
    if (owner_may_answer_) co_return std::nullopt;
    co_return lose_session(why, outcome_so_far());
  }
  if (means_only_its_owner(message()) || message().kind == mcp::Kind::del) {
    if (owner_may_answer_) co_return std::nullopt;
    if (message().kind == mcp::Kind::del) end_session();
    // The client has nothing to do about it, and nobody else may get it.
    pass(plain_reply(message().kind == mcp::Kind::del ? 204 : 202));
    if (message().kind != mcp::Kind::del) context_.shared.stats.dropped_messages.add();
    co_return std::nullopt;
  }
  auto query = move_query();
  auto result = co_await context_.mover.move(pool_->lookup_scope, std::move(query));
  auto lost = after_move(std::move(result), why);
  co_return lost;
}

std::optional<LocalReply> Exchange::after_move(session::MoveResult result, const char* why) {
  using Moved = session::MoveResult::Outcome;
  if (trace_) trace_->moved(result.outcome, why);
  if (result.outcome == Moved::moved) {
    use_.end();
    auto lost = take_found_owner();
    if (lost) return lost;
    owner_forgot_ = false;
    return choose_owner();
  }
  if (owner_may_answer_) return std::nullopt;
  switch (result.outcome) {
    case Moved::forbidden: pass(std::move(result.refusal)); return std::nullopt;
    case Moved::no_backend: return LocalReply{Reason::no_backend, "", outcome_so_far()};
    case Moved::in_use:
    case Moved::unavailable: return LocalReply{Reason::owner_unavailable, "", outcome_so_far()};
    case Moved::moved:
    case Moved::lost: break;
  }
  return lose_session(*result.why == '\0' ? why : result.why, outcome_so_far());
}

bool Exchange::owner_drains() const {
  return candidate_count_ == 1 && candidates_[0]->mode() == cluster::Mode::draining;
}

// Backends that share their sessions: any other will do.
std::optional<LocalReply> Exchange::reroute() {
  use_.end();
  directory().forget(message().session);
  backend_session_ = message().session;
  learn_if_served_ = true;
  candidate_count_ = 0;
  rank_candidates();
  if (candidate_count_ > 0) return std::nullopt;
  return LocalReply{Reason::no_backend, "", outcome_so_far()};
}

session::MoveQuery Exchange::move_query() const {
  session::MoveQuery query;
  query.session = message().session;
  query.directory = &directory();
  query.generation = use_.generation();
  query.from = use_.owner();
  query.from_forgot = owner_forgot_;
  std::string stripped;
  query.target = backend_target(*route_, request().head.target, stripped);
  query.host = request().head.authority;
  append_identity_fields(query.fields, request().head, forwarding());
  query.from_lives = owner_drains() && owner_may_answer_;
  query.at_backend = backend_session_;
  if (query.from_lives) query.requests_max = is_streaming_ ? 0 : 1;
  return query;
}

Outcome Exchange::outcome_so_far() const {
  return maybe_delivered_ ? Outcome::unknown : Outcome::not_sent;
}

// The stream of a session that has moved is asked to go on after an event of the old owner.
bool Exchange::knows_no_such_event() const {
  return backend_reply().status == 400 && message().kind == mcp::Kind::stream && owned() &&
         use_.generation() > 1 && !without_last_event_id_ &&
         request().head.fields.has(Name::last_event_id);
}

// A reply to a request in a session, and the first such one, that may mean that its owner does not
// hold the session. A second one would mean something else.
bool Exchange::may_say_unknown() const {
  const int status = backend_reply().status;
  return (status == 400 || status == 404) && owned() && !message().endpoint_session &&
         message().era == mcp::Era::legacy && message().kind != mcp::Kind::del && !was_unknown_ &&
         pool_->session.on_backend_loss != session::OnBackendLoss::not_found;
}

// Reads such a reply to see what it says. If it is for the client, the relay begins with what was
// read; else owner_gone_ is set.
Task<void> Exchange::hold_reply() {
  wire::ReplyReader& replies = lease_->replies;
  const Deadline patience = timers().in(held_reply_wait);
  held_ = std::make_unique<HeldContent>();
  while (!held_->last && held_->content.size() < limits::held_reply_bytes_max) {
    auto part = replies.next_part();
    if (!part) break;  // the relay will meet the same error
    held_->content += part->content;
    held_->last = part->last;
    if (part->last || !part->content.empty()) continue;
    auto more = co_await replies.more(patience);
    if (more) continue;
    auto ended = replies.end_of_input(more.error());
    if (!ended) break;
  }
  const http::ReplyHead& head = replies.head();
  const bool unknown = mcp::says_session_unknown(
      head.status, head.fields.get(Name::content_type), held_->content);
  if (!unknown) co_return;
  // It was not executed, so it may be sent again, whatever it is.
  was_unknown_ = true;
  owner_gone_ = "owner does not know it";
  owner_forgot_ = true;
  owner_may_answer_ = false;
  held_.reset();
  release_lease();
}

// The GET stream of a session: what the server says unasked. It may go on from another backend.
bool Exchange::is_session_stream(const RelaySettings& settings) const {
  return settings.event_stream && message().kind == mcp::Kind::stream && owned() &&
         !message().session.empty() && !message().endpoint_session &&
         message().era == mcp::Era::legacy &&
         pool_->session.on_backend_loss == session::OnBackendLoss::reestablish;
}

// Between two events, because the client would take half an event and the next for one. When only
// the connection broke, the client comes back by itself, with the id of the last event.
bool Exchange::may_go_on(RelayEnd end, const RelaySettings& settings) {
  const bool broke = end == RelayEnd::backend_broke && ended_at_boundary_;
  if ((!broke && end != RelayEnd::left) || !is_session_stream(settings)) return false;
  return !context_.stopping;
}

// Goes on with the client's stream: at the new owner of its session, or where it was. False: it
// ends here.
Task<bool> Exchange::go_on(RelayEnd end) {
  request().restore_fields();
  is_streaming_ = true;
  without_last_event_id_ = true;
  held_.reset();
  scratch_.client_head.clear();
  if (end == RelayEnd::left) {
    auto goes_on = co_await go_on_after_drain();
    co_return goes_on;
  }
  release_lease();
  owner_gone_ = nullptr;
  choose_owner();
  // One that is drained is well, as far as is known.
  if (owner_gone_ == nullptr || (owner_drains() && candidates_[0]->healthy())) {
    auto gone = co_await is_owner_gone();
    if (!gone) co_return false;
    note_owner_refuses();
  }
  owner_may_answer_ = false;
  co_return co_await attach();
}

// Its connections broke: is nobody there any more? Who accepts connections may hold the session
// still; but a process that is just dying accepts them for some milliseconds.
Task<bool> Exchange::is_owner_gone() {
  cluster::Backend& owner = *candidates_[0];
  const milliseconds patience = pool_->dispatcher.view().settings.connect_timeout;
  for (int look = 0; look < dying_looks; ++look) {
    auto there = co_await pool_->dispatcher.connect(owner, timers().in(patience));
    if (!there && is_nobody_there(there.error())) co_return true;
    if (!there) co_return false;
    const Deadline next = timers().in(dying_look);
    co_await timers().sleep(next);
  }
  co_return false;
}

// The owner lives and keeps the stream for as long as the session cannot leave it.
Task<bool> Exchange::go_on_after_drain() {
  const std::uint32_t generation = use_.generation();
  const BackendId owner = use_.owner();
  if (candidates_[0]->mode() == cluster::Mode::active) {
    in_flight_.stay();
    co_return true;
  }
  owner_gone_ = "owner is drained";
  owner_may_answer_ = true;
  auto lost = co_await leave_owner();
  if (lost || passed_reply_) co_return false;
  if (in_flight_.wish() == InFlight::Wish::cut) co_return false;
  if (use_.generation() == generation && use_.owner() == owner) {
    in_flight_.ask(InFlight::Wish::leave, timers().in(leave_again));
    co_return true;
  }
  release_lease();
  co_return co_await attach();
}

// Asks the session's owner for its stream. What it says goes on where the client's has stopped.
Task<bool> Exchange::attach() {
  auto lost = co_await obtain_reply();
  if (lost || passed_reply_) co_return false;
  held_.reset();
  use_.becomes_stream();
  load_.becomes_stream();
  const http::ReplyHead& head = backend_reply();
  co_return head.status == 200 && head.event_stream;
}

}  // namespace mcplb::proxy
