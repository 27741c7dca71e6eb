#include "load/session_client.hpp"

#include <optional>

#include "mcplb/base/clock.hpp"

namespace mcplb::bench {
namespace {

// As with the SDKs, whose clients each number their own requests: the same words open every
// session.
constexpr std::uint64_t initialize_id = 0;

}  // namespace

// Sends what is in request_.
Task<Outcome> SessionClient::exchange(http::Method method, int wanted_status) {
  Outcome outcome;
  auto failure = co_await client_.exchange(request_, method, context_.deadline());
  outcome.ended_us = monotonic_us();
  outcome.failure = failure;
  outcome.status = client_.status();
  if (failure == Failure::none && client_.status() != wanted_status)
    outcome.failure = Failure::status;
  co_return outcome;
}

Task<Outcome> SessionClient::initialize(Session& session) {
  request_.clear();
  context_.requests.initialize(request_, initialize_id);
  auto outcome = co_await exchange(http::Method::post, 200);
  if (outcome.failure == Failure::none) check_initialize(outcome, session);
  co_return outcome;
}

Task<Outcome> SessionClient::confirm(Session& session) {
  request_.clear();
  context_.requests.initialized(request_, session);
  auto outcome = co_await exchange(http::Method::post, 202);
  outcome.server = session.server;
  co_return outcome;
}

Task<Outcome> SessionClient::open(Session& session) {
  auto outcome = co_await initialize(session);
  if (outcome.failure != Failure::none) co_return outcome;
  co_return co_await confirm(session);
}

void SessionClient::check_initialize(Outcome& outcome, Session& session) {
  const auto server = context_.checker.initialize_result(client_.body(), initialize_id);
  if (!server) {
    outcome.failure = Failure::wrong_body;
    return;
  }
  if (client_.session().empty()) {
    outcome.failure = Failure::no_session;
    return;
  }
  session.id = client_.session();
  session.server = *server;
  ++session.opening;
  outcome.server = session.server;
}

Task<Outcome> SessionClient::call(Session& session, const MixItem& item) {
  const std::uint64_t id = context_.next_id++;
  request_.clear();
  switch (item.what) {
    case MixItem::What::ping: context_.requests.ping(request_, session, id); break;
    case MixItem::What::discover: context_.requests.discover(request_, id); break;
    default: context_.requests.call(request_, session, item, id);
  }
  const std::uint64_t opening = session.opening;
  auto outcome = co_await exchange(http::Method::post, 200);
  if (outcome.failure == Failure::none) check_call(outcome, session, item, id);
  const bool is_lost = outcome.failure == Failure::status && outcome.status == 404;
  // Another connection may have opened it anew meanwhile.
  if (is_lost && !session.id.empty() && session.opening == opening) {
    session.id.clear();
    ++context_.tally.sessions.lost;
  }
  co_return outcome;
}

void SessionClient::check_call(Outcome& outcome, Session& session, const MixItem& item,
                               std::uint64_t id) {
  ReplyChecker& checker = context_.checker;
  const bool modern = context_.scenario.modern;
  if (item.what == MixItem::What::ping) {
    if (!checker.empty_result(client_.body(), id)) outcome.failure = Failure::wrong_body;
    return;
  }
  std::optional<std::string_view> server;
  if (item.what == MixItem::What::discover) {
    server = checker.discover_result(client_.body(), id);
  } else if (item.tool == Tool::events) {
    if (client_.is_event_stream()) server = checker.event_stream(client_.body(), id, modern);
  } else {
    server = checker.result(client_.body(), item.tool, id, modern);
  }
  if (!server) {
    outcome.failure = Failure::wrong_body;
    return;
  }
  outcome.server = *server;
  if (!modern) check_server(outcome, session);
}

void SessionClient::check_server(Outcome& outcome, Session& session) {
  if (outcome.server == session.server) return;
  if (context_.scenario.allow_moves || client_.says_moved()) {
    session.server = outcome.server;
    ++context_.tally.sessions.moved;
  } else {
    outcome.failure = Failure::wrong_server;
  }
}

Task<Outcome> SessionClient::remove(Session& session) {
  request_.clear();
  context_.requests.remove(request_, session);
  auto outcome = co_await exchange(http::Method::del, 200);
  // The reply names no server: it came from the one that knew the session.
  outcome.server = session.server;
  co_return outcome;
}

Task<Outcome> SessionClient::open_stream(Session& session) {
  Outcome outcome;
  request_.clear();
  context_.requests.open_stream(request_, session);
  auto failure = co_await client_.begin(request_, http::Method::get, context_.deadline());
  outcome.failure = failure;
  outcome.status = client_.status();
  const bool right = client_.status() == 200 && client_.is_event_stream();
  if (failure == Failure::none && !right) outcome.failure = Failure::status;
  std::string().swap(request_);
  co_return outcome;
}

}  // namespace mcplb::bench
