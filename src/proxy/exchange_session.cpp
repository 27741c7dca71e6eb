// Sessions on their way through an exchange: whose the one is that a request names, and what is
// kept of the one that a reply opens.
#include <ctime>
#include <utility>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/http/writer.hpp"
#include "mcplb/session/stored_facts.hpp"
#include "proxy/exchange.hpp"

namespace mcplb::proxy {

using http::Name;

// In the memory of this process. A session that is not there may be looked up elsewhere.
std::optional<LocalReply> Exchange::find_owner() {
  const bool routed_by_session = !message().session.empty() && message().era == mcp::Era::legacy &&
                                 pool_->session.identity != session::Identity::none;
  if (pool_->identity.names_unchecked_session(request().head, message())) {
    return LocalReply{Reason::session_unknown, "", {}};
  }
  if (!routed_by_session) return std::nullopt;
  using Found = SessionIdentity::Found;
  SessionIdentity::Named named;
  const Found found = pool_->identity.find(message(), request().head.fields, context_.loop.now(),
                                           named);
  const bool from_seal = named.from_seal;
  take_named(std::move(named));
  if (found == Found::denied) return LocalReply{Reason::session_unknown, "", {}};
  if (!use_) {
    const bool may_mean_nothing = message().endpoint_session && !pool_->identity.binds();
    if (may_mean_nothing && message().method == mcp::Method::initialize) {
      // Not a 2024-11-05 session: the URL of this server happens to have such a parameter.
      message().session = {};
      message().endpoint_session = false;
      return std::nullopt;
    }
    needs_lookup_ = found == Found::unknown &&
                    context_.lookup.may_know(pool_->lookup_scope, may_ask_backends());
    if (needs_lookup_) return std::nullopt;
    if (found == Found::unknown && pool_->identity.seals()) {
      log::event(LogLevel::warn, "session_lost", "pool", pool_->shared.pool.name(), "session",
                 hashed_for_log(message().session), "why", "no backend has the id of its owner");
    }
    return LocalReply{Reason::session_unknown, "", {}};
  }
  needs_lookup_ = context_.store && (use_.unverified() || from_seal);
  return std::nullopt;
}

void Exchange::take_named(SessionIdentity::Named named) {
  use_ = std::move(named.use);
  tells_move_ = tells_move_ || use_.first_since_move();
  // One that has moved has another id at its owner than the one that it was opened with.
  backend_session_ = use_.backend_session();
  if (backend_session_.empty()) backend_session_ = named.backend_session;
}

// The backends know the session by the id and in the place that the client uses. A bound session
// is not asked for: who opened it would not be known, and it answers to nobody else.
bool Exchange::may_ask_backends() const {
  return !message().endpoint_session && !pool_->identity.seals() && !pool_->identity.binds();
}

session::Directory& Exchange::directory() const {
  return message().endpoint_session ? pool_->shared.endpoint_sessions : pool_->shared.sessions;
}

session::LookupQuery Exchange::lookup_query() const {
  session::LookupQuery query;
  query.session = message().session;
  query.directory = &directory();
  query.known_here = owned();
  query.may_ask = may_ask_backends();
  std::string stripped;
  query.question.target = backend_target(*route_, request().head.target, stripped);
  query.question.host = request().head.authority;
  query.question.authorization = request().head.fields.get(Name::authorization);
  query.question.protocol_version = request().head.fields.get(Name::mcp_protocol_version);
  return query;
}

Task<void> Exchange::look_up_owner() {
  auto query = lookup_query();
  auto found = co_await context_.lookup.find(pool_->lookup_scope, std::move(query));
  if (trace_) trace_->looked_up(found.outcome);
  use_.end();
  using Found = session::LookupResult::Outcome;
  switch (found.outcome) {
    case Found::owner: own_reply_ = take_found_owner(); break;
    case Found::anywhere: break;
    case Found::only_backend: learn_if_served_ = true; break;
    case Found::unknown: own_reply_ = LocalReply{Reason::session_unknown, "", {}}; break;
    case Found::forbidden: pass(std::move(found.refusal)); break;
    case Found::owner_unavailable:
      own_reply_ = LocalReply{Reason::owner_unavailable, "", {}};
      break;
    case Found::store_unavailable:
      own_reply_ = LocalReply{Reason::store_unavailable, "", {}};
      break;
  }
}

// The look-up has put it into the directory.
std::optional<LocalReply> Exchange::take_found_owner() {
  SessionIdentity::Named named;
  const auto found =
      pool_->identity.find(message(), request().head.fields, context_.loop.now(), named);
  if (found != SessionIdentity::Found::known) return LocalReply{Reason::session_unknown, "", {}};
  take_named(std::move(named));
  return std::nullopt;
}

LocalReply Exchange::lose_session(std::string_view why, Outcome outcome) {
  use_.end();
  // Other requests of the session may have found out, too.
  if (directory().forget(message().session)) {
    count_session(session::Event::lost);
    log::event(LogLevel::warn, "session_lost", "pool", pool_->shared.pool.name(), "session",
               hashed_for_log(message().session), "why", why);
  }
  return {Reason::session_unknown, "the session's backend is gone: initialize again", outcome};
}

// Ownership is known before the client knows the session: its next request may come on any
// connection to any worker.
std::optional<LocalReply> Exchange::learn() {
  const http::ReplyHead& head = lease_->replies.head();
  const SharedPool& shared = pool_->shared;
  const bool good = head.status >= 200 && head.status < 300;
  const bool ends_session = message().kind == mcp::Kind::del && (good || head.status == 404);
  if (ends_session && owned()) end_session();
  if (good) note_served();
  // The one backend that there is has served a session that nobody knew.
  if (learn_if_served_ && good && !ends_session) learn_served();
  name_reply_session();
  const std::string_view minted_id = head.fields.get(Name::mcp_session_id);
  const bool minted = good && message().opens_session() && message().era == mcp::Era::legacy &&
                      pool_->session.identity != session::Identity::none && !minted_id.empty();
  if (!minted) return std::nullopt;
  if (!mcp::is_session_id(minted_id) || head.fields.count(Name::mcp_session_id) > 1) {
    return LocalReply{Reason::backend_lost, "the backend minted an invalid session id",
                      Outcome::unknown};
  }
  const std::string_view id = pool_->identity.seals() ? client_session_ : minted_id;
  const auto learned = shared.sessions.learn(id, opened_facts(), context_.loop.now(), use_);
  if (learned == session::Directory::Learned::refused) {
    log::event(LogLevel::error, "session_id_too_long", "backend", backend_->name(), "bytes",
               minted_id.size());
    return LocalReply{Reason::backend_lost, "the backend minted a session id that is too long",
                      Outcome::unknown};
  }
  if (learned == session::Directory::Learned::conflict) return session_conflict(id);
  if (learned == session::Directory::Learned::added) count_session(session::Event::created);
  to_be_stored_ = context_.store != nullptr;
  opened_ = std::make_unique<OpenedSession>();
  opened_->id = id;
  if (pool_->session.on_backend_loss == session::OnBackendLoss::reestablish) {
    mcp::Opening opening;
    opening.initialize = request().body;
    shared.sessions.set_opening(id, std::move(opening));
  }
  return std::nullopt;
}

// What the server promised when it opened the session, now that its reply has gone by.
void Exchange::learn_result() {
  const std::string_view content_type = backend_reply().fields.get(Name::content_type);
  const auto result = mcp::read_initialize_result(content_type, opened_->result);
  if (result) pool_->shared.sessions.add_result(opened_->id, *result);
}

void Exchange::end_session() {
  count_session(session::Event::deleted);
  use_.end();
  pool_->identity.end(message().session, context_.loop.now());
  if (!context_.store) return;
  context_.store->sessions.remove(pool_->shared.store_scope, std::string(message().session));
}

// What a request that the owner has served tells of its session. The reply to `initialize` says the
// revision in its body only; every later request says it, and one that was served says it truly.
void Exchange::note_served() {
  if (!owned() || message().endpoint_session) return;
  if (mcp::changes_journal(message().method)) {
    pool_->shared.sessions.note_journal(message().session, message().method, request().body);
  }
  if (use_.protocol_known()) return;
  const http::Fields& fields = request().head.fields;
  if (!fields.has(Name::mcp_protocol_version)) return;
  pool_->shared.sessions.set_protocol(message().session, fields.get(Name::mcp_protocol_version));
}

void Exchange::learn_served() {
  pool_->shared.sessions.learn(message().session, opened_facts(), context_.loop.now(), use_);
}

LocalReply Exchange::session_conflict(std::string_view id) const {
  log::event(LogLevel::error, "session_conflict", "pool", pool_->shared.pool.name(), "backend",
             backend_->name(), "session", hashed_for_log(id));
  return {Reason::session_conflict, "", Outcome::unknown};
}

// Before the client knows the session: its next request may come to another balancer. When the
// store is away or slow, the directory remembers that it has yet to be told.
Task<std::optional<LocalReply>> Exchange::store_session(session::Directory& directory) {
  to_be_stored_ = false;
  const session::Record opened{opened_->id, opened_facts(),
                               directory.replay_of(opened_->id).value_or(session::Replay())};
  auto record = session::stored_record(opened, backend_->name());
  // Whoever expires it goes by that: there is nothing to delete at its owner.
  const bool endpoint = &directory == &pool_->shared.endpoint_sessions;
  if (endpoint) record.place.protocol = session::endpoint_protocol;
  auto put = co_await context_.store->sessions.put(pool_->shared.store_scope, std::move(record));
  std::optional<LocalReply> reply;
  if (put && *put == session::Store::Put::done) {
    directory.mark_stored(opened_->id, context_.loop.now());
  } else if (put) {
    use_.end();
    directory.forget(opened_->id);
    reply = session_conflict(opened_->id);
  }
  co_return reply;
}

Task<void> Exchange::store_endpoint() {
  if (!to_be_stored_) co_return;
  // The stream has begun: a conflict can only be logged.
  auto conflict = co_await store_session(pool_->shared.endpoint_sessions);
  if (conflict) endpoint_learned_ = false;
}

void Exchange::end_endpoint_session() {
  count_session(session::Event::deleted);
  use_.end();
  pool_->identity.end_stream(opened_->id, context_.loop.now());
  if (context_.store) {
    context_.store->sessions.remove(pool_->shared.store_scope, opened_->id);
  }
}

// A 401 or 403 of a backend that was asked, or a plain word of our own.
Task<Next> Exchange::pass_reply() {
  release_lease();
  const session::Refusal& refusal = *passed_reply_;
  const bool close = !request().head.keep_alive || context_.stopping;
  std::string bytes;
  http::append_status_line(bytes, 1, refusal.status, http::reason_phrase(refusal.status));
  http::append_date(bytes);
  if (!refusal.www_authenticate.empty()) {
    http::append_field(bytes, "WWW-Authenticate", refusal.www_authenticate);
  }
  if (!refusal.content_type.empty()) {
    http::append_field(bytes, "Content-Type", refusal.content_type);
  }
  http::append_field(bytes, "X-Request-Id", scratch_.request_id);
  if (refusal.status != 204) http::append_field(bytes, "Content-Length", refusal.body.size());
  if (close) http::append_field(bytes, "Connection", "close");
  bytes += "\r\n";
  if (request().head.method != http::Method::head) bytes += refusal.body;
  record_.status = refusal.status;
  record_.bytes_out = bytes.size();
  record_.end = {'-', '-'};
  const Deadline stall = timers().in(limits::client_write_stall);
  auto written = co_await stream_.write(bytes, stall);
  if (!written) co_return Next::abort;
  co_return close ? Next::close : Next::reuse;
}

// Every head that names a session names it as the client knows it. One that keeps its session
// keeps its spelling, too: clients compare.
void Exchange::name_reply_session() {
  const std::string_view id = backend_reply().fields.get(Name::mcp_session_id);
  if (id.empty() || message().era == mcp::Era::modern) return;
  if (id == backend_session_) {
    if (id != message().session) client_session_ = message().session;
    return;
  }
  SessionIdentity& identity = pool_->identity;
  if (!identity.seals() || !mcp::is_session_id(id)) return;
  client_session_ = identity.outside(SessionIdentity::Kind::session, id, *backend_,
                                     request().head.fields);
}

// Of a session that the backend has just opened.
session::Facts Exchange::opened_facts() const {
  session::Facts facts;
  facts.owner = backend_->id();
  facts.created_s = static_cast<std::uint32_t>(std::time(nullptr));
  std::string stripped;
  const std::string_view target = backend_target(*route_, request().head.target, stripped);
  facts.place.path = target.substr(0, target.find('?'));
  facts.place.host = request().head.authority;
  facts.principal = pool_->identity.principal_to_keep(request().head.fields);
  return facts;
}

std::string Exchange::learn_endpoint(std::string_view minted) {
  session::Directory& endpoints = pool_->shared.endpoint_sessions;
  const http::Fields& fields = request().head.fields;
  std::string session =
      pool_->identity.outside(SessionIdentity::Kind::endpoint, minted, *backend_, fields);
  const auto learned = endpoints.learn(session, opened_facts(), context_.loop.now(), use_);
  if (learned == session::Directory::Learned::conflict) {
    log::event(LogLevel::error, "session_conflict", "pool", pool_->shared.pool.name(), "backend",
               backend_->name(), "session", hashed_for_log(session));
    return session;
  }
  endpoint_learned_ = learned == session::Directory::Learned::added ||
                      learned == session::Directory::Learned::known;
  if (endpoint_learned_) use_.becomes_stream();
  if (learned == session::Directory::Learned::added) count_session(session::Event::created);
  if (!opened_) opened_ = std::make_unique<OpenedSession>();
  opened_->id = session;
  to_be_stored_ = endpoint_learned_ && context_.store != nullptr;
  return session;
}

}  // namespace mcplb::proxy
