// The reply of an exchange: its head as the client sees it, the relay of its body, and what the
// end of it means for both connections.
#include <functional>
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

void Exchange::build_client_head(ClientFraming framing, bool close) {
  const cluster::Pin& pin = pool_->dispatcher.view().settings.pin;
  const bool set_pin =
      !pin.cookie.empty() && cookie_value(request_.head.fields, pin.cookie) != backend_->name();
  const std::string cookie = set_pin ? pin_cookie(pin, *backend_) : std::string();
  ReplyForwarding forwarding;
  forwarding.framing = framing;
  forwarding.request_id = request_id_;
  forwarding.session = client_session_;
  forwarding.set_cookie = cookie;
  forwarding.moved = tells_move_;
  forwarding.close = close;
  forwarding.client_minor_version = request_.head.minor_version;
  append_client_head(scratch_.client_head, backend_reply(), forwarding);
}

RelaySettings Exchange::relay_settings(ClientFraming framing) const {
  RelaySettings settings;
  settings.framing = framing;
  settings.event_stream = may_insert_comments(lease_->replies.head());
  settings.ends_on_stop = request_.head.method != http::Method::post ||
                          message_.method == mcp::Method::subscriptions_listen;
  settings.trailers = request_.head.accepts_trailers;
  settings.heartbeat = pool_->forward.heartbeat;
  settings.stream_idle = pool_->forward.stream_idle;
  return settings;
}

Task<Next> Exchange::forward_reply() {
  const http::ReplyHead& head = backend_reply();
  record_.status = head.status;
  const ClientFraming framing = client_framing(head, request_.head);
  const bool close = !request_.head.keep_alive || context_.stopping ||
                     framing == ClientFraming::until_close;
  const RelaySettings settings = relay_settings(framing);
  if (settings.event_stream) {
    release(request_.body);  // streams stay open for hours
    // The answer to a request is owed on its own stream, however long that is open.
    message_.kind == mcp::Kind::stream ? use_.becomes_stream() : use_.sends_events();
    load_.becomes_stream();
    open_stream_.begin(pool_->shared.streams[static_cast<std::size_t>(stream_kind())]);
  }
  build_client_head(framing, close);
  overhead_us_ = record_.wait_us - failed_us_ + monotonic_us() - head_us_;
  record_.end = {'C', 'D'};
  // Without framing an end in the middle would look like the end: it is a reset until it is one.
  if (framing == ClientFraming::until_close) stream_.reset_on_close(true);
  auto end = co_await relay_body(settings);
  while (may_go_on(end, settings)) {
    auto attached = co_await go_on(end);
    if (!attached) break;
    auto next_end = co_await relay_body(settings);
    end = next_end;
  }
  if (end == RelayEnd::not_begun) {
    record_.end = {'S', 'D'};
    const LocalReply lost{Reason::backend_lost, relay_error_, Outcome::unknown};
    stream_.reset_on_close(false);
    co_return co_await answer(lost);
  }
  const Next next = conclude(end);
  co_return next == Next::reuse && close ? Next::close : next;
}

Task<RelayEnd> Exchange::relay_body(const RelaySettings& settings) {
  const http::ReplyHead& head = backend_reply();
  Relay relay(stream_, *lease_, context_.streams, settings, record_.bytes_out);
  relay.heed(in_flight_);
  if (!held_.content.empty() || held_.last) relay.begin_with(held_);
  std::optional<EndpointTap> tap;
  const bool may_announce = message_.kind == mcp::Kind::stream && message_.session.empty() &&
                            settings.event_stream && head.status == 200;
  if (may_announce && pool_->session.identity != session::Identity::none) {
    std::string prefix = route_->match.strip_prefix ? route_->match.path : std::string();
    if (prefix.ends_with('/')) prefix.pop_back();
    tap.emplace(std::move(prefix),
                [this](std::string_view session) { return learn_endpoint(session); });
    relay.tap_endpoint(*tap, [this] { return store_endpoint(); });
  }
  if (!opened_session_.empty()) relay.copy_to(result_, limits::session_opening_bytes_max);
  in_flight_.set_may_leave(is_session_stream(settings));
  auto end = co_await relay.run(scratch_.client_head);
  in_flight_.set_may_leave(false);
  relay_error_ = relay.error().what;
  ended_at_boundary_ = settings.event_stream && relay.at_boundary();
  if (end == RelayEnd::complete && !result_.empty()) learn_result();
  co_return end;
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
      return Next::reuse;
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
