#include "proxy/exchange.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/http/header_rules.hpp"
#include "proxy/orphan.hpp"

namespace mcplb::proxy {
using http::Name;

Exchange::Exchange(Context& context, const ClientInfo& client, net::Stream& stream,
                   Scratch& scratch, const Route* route)
    : context_(context),
      client_(client),
      stream_(stream),
      scratch_(scratch),
      client_ip_(client.trusted ? forwarded_client(scratch.request.head.fields,
                                                   context.shared.trusted, client.ip)
                                : std::string_view(client.ip)),
      request_(scratch.request),
      message_(scratch.message),
      request_id_(scratch.request_id),
      backend_head_(scratch.backend_head),
      route_(route),
      started_us_(phase_clock_us()) {
  set_request_id(scratch, client.trusted);
  record_.message = &message_;
  record_.end = {'P', 'Q'};
  record_.bytes_in = request_.head_bytes.size() + request_.body.size();
}

Exchange::~Exchange() {
  if (awaiting_head_ && message_.opens_session() && lease_) {
    OrphanInitialize orphan;
    orphan.lease = std::move(lease_);
    orphan.backend = backend_;
    orphan.pool = pool_;
    std::string stripped;
    orphan.target = backend_target(*route_, request_.head.target, stripped);
    orphan.host = request_.head.authority;
    orphan.authorization = request_.head.fields.get(Name::authorization);
    adopt_orphan(context_, std::move(orphan));
  }
  if (endpoint_learned_) {
    use_.end();
    pool_->identity.end_stream(endpoint_session_, context_.loop.now());
  }
  record_.request_id = request_id_;
  record_.client = client_ip_;
  if (pool_ != nullptr) record_.pool = pool_->shared.pool.name();
  if (backend_ != nullptr) record_.backend = backend_->name();
  record_.http_method = request_.head.method_text;
  record_.total_us = phase_clock_us() - started_us_;
  write_access_line(record_);
}

Task<Next> Exchange::run() {
  auto refusal = admit();
  if (refusal) co_return co_await answer(*refusal);
  build_backend_head();
  auto head = co_await obtain_head();
  if (!head) {
    const LocalReply reply = reply_for(head.error());
    co_return co_await answer(reply);
  }
  auto conflict = learn();
  if (conflict) {
    record_.end = {'S', 'H'};
    co_return co_await answer(*conflict);
  }
  co_return co_await forward_reply();
}

std::optional<LocalReply> Exchange::admit() {
  const http::RequestHead& head = request_.head;
  if (http::nominates_end_to_end_field(head.fields)) {
    return LocalReply{Reason::bad_request, "Connection names an end-to-end header", {}};
  }
  mcp::Refusal refusal;
  if (!context_.classifier.classify(head, request_.body, message_, refusal)) {
    const bool mismatch = refusal.reason == mcp::Refusal::Reason::header_mismatch;
    return LocalReply{mismatch ? Reason::header_mismatch : Reason::bad_request, refusal.what, {}};
  }
  if (route_ == nullptr) return LocalReply{Reason::no_route, "", {}};
  pool_ = context_.pools[route_->pool].get();
  auto lost = find_owner();
  if (lost) return lost;
  if (!owned()) rank_candidates();
  if (candidate_count_ == 0) return LocalReply{Reason::no_backend, "", Outcome::not_sent};
  return std::nullopt;
}

// A session that somebody owns has one candidate: its owner.
std::optional<LocalReply> Exchange::find_owner() {
  const SharedPool& shared = pool_->shared;
  const bool routed_by_session = !message_.session.empty() && message_.era == mcp::Era::legacy &&
                                 shared.session.identity != session::Identity::none;
  if (pool_->identity.names_unchecked_session(request_.head, message_)) {
    return LocalReply{Reason::session_unknown, "", {}};
  }
  if (!routed_by_session) return std::nullopt;
  using Found = SessionIdentity::Found;
  SessionIdentity::Named named;
  const Found found = pool_->identity.find(message_, request_.head.fields, context_.loop.now(),
                                           named);
  use_ = std::move(named.use);
  backend_session_ = named.backend_session;
  if (found == Found::denied) return LocalReply{Reason::session_unknown, "", {}};
  if (!use_) {
    const bool may_mean_nothing = message_.endpoint_session && !pool_->identity.binds();
    if (may_mean_nothing && message_.method == mcp::Method::initialize) {
      // Not a 2024-11-05 session: the URL of this server happens to have such a parameter.
      message_.session = {};
      message_.endpoint_session = false;
      return std::nullopt;
    }
    const bool forward = shared.session.on_unknown == session::OnUnknown::forward;
    if (forward && found == Found::unknown) return std::nullopt;
    return LocalReply{Reason::session_unknown, "", {}};
  }
  const auto& backends = shared.pool.backends();
  const auto owner = std::find_if(backends.begin(), backends.end(), [&](const auto* backend) {
    return backend->id() == use_.owner();
  });
  if (owner == backends.end()) return lose_session("owner is no longer configured", Outcome::none);
  // Also an owner that fails its checks is asked: it may hold the session still, and when it does
  // not, it refuses the connection.
  candidates_[0] = *owner;
  candidate_count_ = 1;
  return std::nullopt;
}

void Exchange::rank_candidates() {
  const auto& order = pool_->dispatcher.rank(affinity_key());
  cluster::Backend* const first = pinned();
  const bool usable = std::find(order.begin(), order.end(), first) != order.end();
  const bool use_pin = first != nullptr && usable;
  if (use_pin) candidates_[candidate_count_++] = first;
  for (cluster::Backend* backend : order) {
    if (candidate_count_ == candidates_.size()) break;
    if (!use_pin || backend != first) candidates_[candidate_count_++] = backend;
  }
}

std::uint64_t Exchange::affinity_key() const {
  const cluster::PoolSettings& settings = pool_->shared.pool.settings();
  if (settings.balance != cluster::Balance::session_hash) return 0;
  std::string_view key;
  switch (settings.hash_on.source) {
    case cluster::HashOn::Source::session: key = message_.session; break;
    case cluster::HashOn::Source::client_ip: key = client_ip_; break;
    case cluster::HashOn::Source::header:
      key = request_.head.fields.get(settings.hash_on.name);
      break;
    case cluster::HashOn::Source::cookie:
      key = cookie_value(request_.head.fields, settings.hash_on.name);
      break;
  }
  // 0 means "no key" to the balancer, so no hash may be 0.
  return key.empty() ? 0 : hash64(key) | 1;
}

cluster::Backend* Exchange::pinned() const {
  const cluster::Pin& pin = pool_->shared.pool.settings().pin;
  std::string_view name;
  if (!pin.header.empty()) name = request_.head.fields.get(pin.header);
  if (name.empty() && !pin.cookie.empty()) name = cookie_value(request_.head.fields, pin.cookie);
  return name.empty() ? nullptr : pool_->shared.pool.find(name);
}

void Exchange::build_backend_head() {
  std::string stripped;
  std::string renamed;
  const std::string_view target = backend_target(*route_, request_.head.target, stripped);
  RequestForwarding forwarding;
  forwarding.target =
      renamed_target(target, request_.head, message_, backend_session_, renamed);
  const bool renamed_session = backend_session_ != message_.session;
  if (renamed_session && !message_.endpoint_session) forwarding.session = backend_session_;
  forwarding.drops_session = pool_->identity.binds() && backend_session_.empty();
  forwarding.client_ip = client_.ip;
  forwarding.request_id = request_id_;
  forwarding.body_bytes = request_.body.size();
  forwarding.client_trusted = client_.trusted;
  forwarding.client_https = client_.https;
  forwarding.is_mcp = message_.era != mcp::Era::none;
  std::string backend_host;
  if (request_.head.authority.empty()) {
    backend_host = candidates_[0]->host() + ":" + std::to_string(candidates_[0]->port());
    forwarding.default_host = backend_host;
  }
  append_backend_head(backend_head_, request_.head, forwarding);
  if (request_.body.size() <= limits::merged_body_bytes_max) backend_head_ += request_.body;
}

LocalReply Exchange::reply_for(const Error& error) {
  const Outcome outcome = maybe_delivered_ ? Outcome::unknown : Outcome::not_sent;
  record_.end = {'S', attempt_.connected ? 'H' : 'C'};
  if (error.side == Error::Side::client) {
    record_.end = {'C', 'H'};
    return {Reason::bad_request, error.what, outcome};
  }
  if (attempt_.connected) {
    const bool late = error.kind == Error::Kind::timeout;
    return {late ? Reason::backend_timeout : Reason::backend_lost, error.what, outcome};
  }
  if (!owned()) return {Reason::no_backend, "no backend accepts connections", outcome};
  if (error.kind != Error::Kind::refused) return {Reason::owner_unavailable, "", outcome};
  // Nobody listens where the owner was: its process, and the session with it, is gone.
  return lose_session("owner refuses connections", outcome);
}

LocalReply Exchange::lose_session(std::string_view why, Outcome outcome) {
  use_.end();
  session::Directory& directory = message_.endpoint_session ? pool_->shared.endpoint_sessions
                                                            : pool_->shared.sessions;
  directory.forget(message_.session);
  log::event(LogLevel::warn, "session_lost", "pool", pool_->shared.pool.name(), "session",
             hashed_for_log(message_.session), "why", why);
  return {Reason::session_unknown, "the session's backend is gone: initialize again", outcome};
}

// Ownership is known before the client knows the session: its next request may come on any
// connection to any worker.
std::optional<LocalReply> Exchange::learn() {
  const http::ReplyHead& head = lease_->replies.head();
  const SharedPool& shared = pool_->shared;
  const bool good = head.status >= 200 && head.status < 300;
  const bool ends_session = message_.kind == mcp::Kind::del && (good || head.status == 404);
  if (ends_session && owned()) {
    use_.end();
    pool_->identity.end(message_.session, context_.loop.now());
  }
  name_reply_session();
  const std::string_view minted_id = head.fields.get(Name::mcp_session_id);
  const bool minted = good && message_.opens_session() && message_.era == mcp::Era::legacy &&
                      shared.session.identity != session::Identity::none && !minted_id.empty();
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
  if (learned != session::Directory::Learned::conflict) return std::nullopt;
  log::event(LogLevel::error, "session_conflict", "pool", shared.pool.name(), "backend",
             backend_->name(), "session", hashed_for_log(id));
  return LocalReply{Reason::session_conflict, "", Outcome::unknown};
}

// Every head that names a session names it as the client knows it. One that keeps its session
// keeps its spelling, too: clients compare.
void Exchange::name_reply_session() {
  const std::string_view id = backend_reply().fields.get(Name::mcp_session_id);
  SessionIdentity& identity = pool_->identity;
  if (!identity.seals() || message_.era == mcp::Era::modern || !mcp::is_session_id(id)) return;
  if (id == backend_session_) {
    client_session_ = message_.session;
    return;
  }
  client_session_ = identity.outside(SessionIdentity::Kind::session, id, *backend_,
                                     request_.head.fields);
}

// Of a session that the backend has just opened.
session::Facts Exchange::opened_facts() {
  session::Facts facts;
  facts.owner = backend_->id();
  facts.created_s = static_cast<std::uint32_t>(std::time(nullptr));
  std::string stripped;
  const std::string_view target = backend_target(*route_, request_.head.target, stripped);
  facts.place.path = target.substr(0, target.find('?'));
  facts.place.host = request_.head.authority;
  facts.principal = pool_->identity.principal_to_keep(request_.head.fields);
  return facts;
}

std::string Exchange::learn_endpoint(std::string_view minted) {
  session::Directory& directory = pool_->shared.endpoint_sessions;
  const http::Fields& fields = request_.head.fields;
  std::string session =
      pool_->identity.outside(SessionIdentity::Kind::endpoint, minted, *backend_, fields);
  const auto learned = directory.learn(session, opened_facts(), context_.loop.now(), use_);
  if (learned == session::Directory::Learned::conflict) {
    log::event(LogLevel::error, "session_conflict", "pool", pool_->shared.pool.name(), "backend",
               backend_->name(), "session", hashed_for_log(session));
    return session;
  }
  endpoint_learned_ = learned == session::Directory::Learned::added ||
                      learned == session::Directory::Learned::known;
  endpoint_session_ = session;
  return session;
}

Task<Next> Exchange::answer(LocalReply reply) {
  awaiting_head_ = false;
  lease_.close();
  const bool close = !request_.head.keep_alive || context_.stopping;
  const std::string bytes = render(reply, request_.head, message_.id_json, request_id_, close);
  record_.status = status_of(reply.reason);
  record_.reason = reply.reason;
  record_.bytes_out = bytes.size();
  const Deadline stall = timers().in(limits::client_write_stall);
  auto written = co_await stream_.write(bytes, stall);
  if (!written) co_return Next::abort;
  co_return close ? Next::close : Next::reuse;
}

}  // namespace mcplb::proxy
