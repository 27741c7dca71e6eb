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
                                                   context.trusted, client.ip)
                                : std::string_view(client.ip)),
      route_(route),
      started_us_(timers().turn_us()) {
  set_request_id(scratch, client.trusted);
  record_.end = {'P', 'Q'};
  record_.bytes_in = request().head_bytes.size() + request().body.size();
  if (context.shared.spans != nullptr) {
    trace_ = std::make_unique<ExchangeTrace>(*context.shared.spans, context.trace_millionths,
                                             request().head, message());
  }
}

Exchange::~Exchange() {
  in_flight_.end();
  if (awaiting_head_ && message().opens_session() && lease_) {
    OrphanInitialize orphan;
    orphan.lease = std::move(lease_);
    orphan.backend = backend_;
    orphan.pool = pool_;
    std::string stripped;
    orphan.target = backend_target(*route_, request().head.target, stripped);
    orphan.host = request().head.authority;
    orphan.authorization = request().head.fields.get(Name::authorization);
    adopt_orphan(context_, std::move(orphan));
  }
  if (endpoint_learned_) end_endpoint_session();
  record_.total_us = monotonic_us() - started_us_;
  count_exchange();
  if (trace_ == nullptr && !log::access_enabled()) return;
  AccessRecord record = access_record();
  end_trace(record);
  write_access_line(record);
}

AccessRecord Exchange::access_record() const {
  AccessRecord record;
  static_cast<ExchangeFigures&>(record) = record_;
  record.request_id = scratch_.request_id;
  record.client = client_ip_;
  if (pool_ != nullptr) record.pool = pool_->shared.pool.name();
  if (backend_ != nullptr) record.backend = backend_->name();
  record.message = &message();
  record.http_method = request().head.method_text;
  return record;
}

// What is still awaited while an event stream is open stays in memory as long: here, and in the
// relay. The rest of the story has ended by then.
Task<Next> Exchange::run() {
  co_await obtain();
  if (!has_reply_of_ours()) {
    const RelaySettings settings = begin_reply();
    RelayEnd end = RelayEnd::not_begun;
    bool goes_on = true;
    while (goes_on) {
      {
        Relay relay(stream_, *lease_, settings, record_.bytes_out);
        prepare(relay, settings);
        auto ended = co_await relay.run(scratch_.client_head);
        end = ended;
        note_end(relay, end, settings);
      }
      goes_on = may_go_on(end, settings);
      if (goes_on) {
        auto attached = co_await go_on(end);
        goes_on = attached;
        if (goes_on) forget_heads();
      }
    }
    if (end != RelayEnd::not_begun) co_return conclude(end);
    record_.end = {'S', 'D'};
    own_reply_ = LocalReply{Reason::backend_lost, relay_error_, Outcome::unknown};
    stream_.reset_on_close(false);
  }
  if (passed_reply_) co_return co_await pass_reply();
  co_return co_await answer();
}

Task<void> Exchange::obtain() {
  own_reply_ = admit();
  if (!own_reply_ && needs_lookup_) co_await look_up_owner();
  if (!own_reply_) own_reply_ = choose_candidates();
  if (has_reply_of_ours()) co_return;
  auto lost = co_await obtain_reply();
  own_reply_ = lost;
  if (has_reply_of_ours()) co_return;
  own_reply_ = learn();
  if (to_be_stored_) {
    auto conflict = co_await store_session(pool_->shared.sessions);
    if (!own_reply_) own_reply_ = conflict;
  }
  if (own_reply_) record_.end = {'S', 'H'};
}

std::optional<LocalReply> Exchange::admit() {
  const http::RequestHead& head = request().head;
  if (http::nominates_end_to_end_field(head.fields)) {
    return LocalReply{Reason::bad_request, "Connection names an end-to-end header", {}};
  }
  mcp::Refusal refusal;
  if (!context_.classifier.classify(head, request().body, message(), refusal)) {
    const bool mismatch = refusal.reason == mcp::Refusal::Reason::header_mismatch;
    return LocalReply{mismatch ? Reason::header_mismatch : Reason::bad_request, refusal.what, {}};
  }
  if (trace_) trace_->look_into_body();
  if (route_ == nullptr) return LocalReply{Reason::no_route, "", {}};
  pool_ = context_.pools[route_->pool].get();
  return find_owner();
}

std::optional<LocalReply> Exchange::choose_candidates() {
  if (!owned()) {
    rank_candidates();
    if (candidate_count_ > 0) return std::nullopt;
    if (all_full_) {
      return LocalReply{Reason::overloaded, "every backend has sessions.max_per_backend sessions",
                        Outcome::not_sent};
    }
    return LocalReply{Reason::no_backend, "", Outcome::not_sent};
  }
  return choose_owner();
}

void Exchange::rank_candidates() {
  const auto& order = pool_->dispatcher.rank(affinity_key());
  cluster::Backend* const first = pinned();
  const bool usable = std::find(order.begin(), order.end(), first) != order.end();
  const bool use_pin = first != nullptr && usable;
  const int cap = pool_->session.max_per_backend;
  const bool capped = cap > 0 && message().opens_session();
  const auto add = [&](cluster::Backend* backend) {
    const bool full = capped && backend->sessions() >= cap;
    all_full_ = all_full_ || full;
    if (!full) candidates_[candidate_count_++] = backend;
  };
  if (use_pin) add(first);
  for (cluster::Backend* backend : order) {
    if (candidate_count_ == candidates_.size()) break;
    if (!use_pin || backend != first) add(backend);
  }
}

std::uint64_t Exchange::affinity_key() const {
  const cluster::PoolSettings& settings = pool_->dispatcher.view().settings;
  if (settings.balance != cluster::Balance::session_hash) return 0;
  std::string_view key;
  switch (settings.hash_on.source) {
    case cluster::HashOn::Source::session: key = message().session; break;
    case cluster::HashOn::Source::client_ip: key = client_ip_; break;
    case cluster::HashOn::Source::header:
      key = request().head.fields.get(settings.hash_on.name);
      break;
    case cluster::HashOn::Source::cookie:
      key = cookie_value(request().head.fields, settings.hash_on.name);
      break;
  }
  // 0 means "no key" to the balancer, so no hash may be 0.
  return key.empty() ? 0 : hash64(key) | 1;
}

cluster::Backend* Exchange::pinned() const {
  const cluster::PoolView& view = pool_->dispatcher.view();
  const cluster::Pin& pin = view.settings.pin;
  std::string_view name;
  if (!pin.header.empty()) name = request().head.fields.get(pin.header);
  if (name.empty() && !pin.cookie.empty()) name = cookie_value(request().head.fields, pin.cookie);
  return name.empty() ? nullptr : view.find(name);
}

void Exchange::begin_traced_try() {
  std::string stripped;
  trace_->begin_try(*backend_, backend_target(*route_, request().head.target, stripped));
}

// In memory that all exchanges of the worker share, for it is in its caches then: nobody waits
// between this and sending them.
std::string_view Exchange::bytes_for_backend() const {
  std::string stripped;
  std::string renamed;
  const std::string_view target = backend_target(*route_, request().head.target, stripped);
  RequestForwarding rules = forwarding();
  rules.target = renamed_target(target, request().head, message(), backend_session_, renamed);
  std::string backend_host;
  if (request().head.authority.empty()) {
    backend_host = backend_->authority();
    rules.default_host = backend_host;
  }
  std::string& out = context_.send_buffer;
  out.clear();
  append_backend_head(out, request().head, rules);
  if (trace_) trace_->sign(out);
  const std::string& body = request().body;
  if (body.size() <= limits::merged_body_bytes_max) out += body;
  return out;
}

// All but the target and the host.
RequestForwarding Exchange::forwarding() const {
  RequestForwarding rules;
  const bool renamed_session = backend_session_ != message().session;
  if (renamed_session && !message().endpoint_session) rules.session = backend_session_;
  rules.drops_session = pool_->identity.binds() && backend_session_.empty();
  rules.client_ip = client_.ip;
  rules.request_id = scratch_.request_id;
  rules.body_bytes = request().body.size();
  rules.client_trusted = client_.trusted;
  rules.client_https = client_.https;
  rules.is_mcp = message().era != mcp::Era::none;
  rules.drops_last_event_id = without_last_event_id_;
  if (trace_) {
    rules.traceparent = trace_->traceparent();
    rules.tracestate = trace_->tracestate();
  }
  return rules;
}

LocalReply Exchange::reply_for(const Error& error) {
  const Outcome outcome = outcome_so_far();
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
  if (!is_nobody_there(error)) return {Reason::owner_unavailable, "", outcome};
  note_owner_refuses();
  return {};
}

Task<Next> Exchange::answer() {
  const LocalReply& reply = *own_reply_;
  awaiting_head_ = false;
  release_lease();
  const bool close = !request().head.keep_alive || context_.stopping;
  const std::string bytes =
      render(reply, request().head, message().id_json, scratch_.request_id, close);
  record_.status = status_of(reply.reason);
  record_.reason = reply.reason;
  count_own_reply(reply.reason);
  record_.bytes_out = bytes.size();
  const Deadline stall = timers().in(limits::client_write_stall);
  auto written = co_await stream_.write(bytes, stall);
  if (!written) co_return Next::abort;
  co_return close ? Next::close : Next::reuse;
}

}  // namespace mcplb::proxy
