// The reply of an exchange: its head as the client sees it, the relay of its body, and what the
// end of it means for both connections.
#include <memory>
#include <utility>

#include "mcplb/base/text.hpp"
#include "proxy/exchange.hpp"

namespace mcplb::proxy {
namespace {

using http::Name;

std::string pin_cookie(const cluster::Pin& pin, const cluster::Backend& backend) {
  return pin.cookie + "=" + backend.name() + "; Path=/; HttpOnly; SameSite=Lax";
}

// Comments may go into an event stream only where nobody counts or transforms its bytes.
bool may_insert_comments(const http::ReplyHead& head) {
  return head.event_stream && head.framing != http::Framing::none &&
         head.framing != http::Framing::length && !head.fields.has(Name::content_encoding);
}

}  // namespace

void Exchange::build_client_head(ClientFraming framing) {
  const cluster::Pin& pin = pool_->dispatcher.view().settings.pin;
  const bool set_pin =
      !pin.cookie.empty() && cookie_value(request().head.fields, pin.cookie) != backend_->name();
  const std::string cookie = set_pin ? pin_cookie(pin, *backend_) : std::string();
  ReplyForwarding forwarding;
  forwarding.framing = framing;
  forwarding.request_id = scratch_.request_id;
  forwarding.session = client_session_;
  forwarding.set_cookie = cookie;
  forwarding.moved = tells_move_;
  forwarding.close = closes_;
  forwarding.client_minor_version = request().head.minor_version;
  append_client_head(scratch_.client_head, backend_reply(), forwarding);
}

RelaySettings Exchange::relay_settings(ClientFraming framing) const {
  RelaySettings settings;
  settings.framing = framing;
  settings.event_stream = may_insert_comments(lease_->replies.head());
  settings.ends_on_stop = request().head.method != http::Method::post ||
                          message().method == mcp::Method::subscriptions_listen;
  settings.trailers = request().head.accepts_trailers;
  settings.heartbeat = pool_->forward.heartbeat;
  settings.stream_idle = pool_->forward.stream_idle;
  return settings;
}

// The head of the backend's reply becomes the client's.
RelaySettings Exchange::begin_reply() {
  const http::ReplyHead& head = backend_reply();
  record_.status = head.status;
  const ClientFraming framing = client_framing(head, request().head);
  const bool until_close = framing == ClientFraming::until_close;
  closes_ = until_close || !request().head.keep_alive || context_.stopping;
  const RelaySettings settings = relay_settings(framing);
  if (settings.event_stream) become_stream();
  build_client_head(framing);
  if (settings.stands()) forget_heads();
  overhead_us_ = record_.wait_us - failed_us_ + monotonic_us() - head_us_;
  record_.end = {'C', 'D'};
  // Without framing an end in the middle would look like the end: it is a reset until it is one.
  if (until_close) stream_.reset_on_close(true);
  return settings;
}

void Exchange::become_stream() {
  release(request().body);
  // The answer to a request is owed on its own stream, however long that is open.
  message().kind == mcp::Kind::stream ? use_.becomes_stream() : use_.sends_events();
  load_.becomes_stream();
  open_stream_.begin(pool_->shared.streams[static_cast<std::size_t>(stream_kind())]);
}

// A stream may stay open for hours, and there may be thousands. One without a session may announce
// one, and traces look at the request again: these keep its fields.
void Exchange::forget_heads() {
  lease_->replies.drop_head_text();
  if (!message().session.empty() && !trace_) request().drop_fields();
}

void Exchange::prepare(Relay& relay, const RelaySettings& settings) {
  relay.heed(in_flight_);
  if (held_ && (held_->last || !held_->content.empty())) relay.begin_with(*held_);
  relay.announce(announcement(settings));
  if (opened_) relay.copy_to(opened_->result);
  in_flight_.set_may_leave(is_session_stream(settings));
  in_flight_.set_may_stop(settings.stands());
  // A stream that opens while we stop does not outstay the others.
  if (context_.stopping && in_flight_.may_stop()) {
    in_flight_.ask(InFlight::Wish::stop, timers().in(milliseconds(0)));
  }
}

// Null: this stream announces nothing.
std::unique_ptr<Announcement> Exchange::announcement(const RelaySettings& settings) {
  const bool may_announce = message().kind == mcp::Kind::stream && message().session.empty() &&
                            settings.event_stream && backend_reply().status == 200;
  if (!may_announce || pool_->session.identity == session::Identity::none) return nullptr;
  std::string prefix = route_->match.strip_prefix ? route_->match.path : std::string();
  if (prefix.ends_with('/')) prefix.pop_back();
  const auto on_session = [this](std::string_view session) { return learn_endpoint(session); };
  return std::make_unique<Announcement>(Announcement{EndpointTap(std::move(prefix), on_session),
                                                     [this] { return store_endpoint(); },
                                                     {}});
}

void Exchange::note_end(const Relay& relay, RelayEnd end, const RelaySettings& settings) {
  in_flight_.set_may_leave(false);
  in_flight_.set_may_stop(false);
  relay_error_ = relay.error().what;
  ended_at_boundary_ = settings.event_stream && relay.at_boundary();
  if (end == RelayEnd::complete && opened_ && !opened_->result.empty()) learn_result();
}

Next Exchange::conclude(RelayEnd end) {
  switch (end) {
    case RelayEnd::complete:
      record_.end = {'-', '-'};
      stream_.reset_on_close(false);
      in_flight_.end();
      if (lease_->replies.reusable()) {
        const std::uint64_t hint = backend_reply().keep_alive_timeout_s;
        if (hint > 0) backend_->note_keep_alive_hint(hint);
        lease_.keep();
      }
      return closes_ ? Next::close : Next::reuse;
    case RelayEnd::stopped:
      record_.end = {'P', 'D'};
      stream_.reset_on_close(false);
      return Next::close;
    case RelayEnd::client_gone: record_.end = {'C', 'D'}; return Next::abort;
    case RelayEnd::left:
    case RelayEnd::backend_broke:
    case RelayEnd::not_begun: break;
  }
  record_.end = {'S', 'D'};
  return Next::abort;
}

}  // namespace mcplb::proxy
