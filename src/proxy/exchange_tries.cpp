// The tries of an exchange: choosing the next backend, borrowing a connection, sending, awaiting
// the head, and what to do when that fails.
#include <algorithm>
#include <utility>

#include "proxy/exchange.hpp"

namespace mcplb::proxy {
namespace {

// How long the answer to bytes that were sent into a closed connection may take to arrive.
constexpr milliseconds proof_wait{20};

Error given_up() {
  return {Error::Kind::reset, Error::Side::backend, 0, "the backend was given up"};
}

}  // namespace

mcp::Repeat Exchange::licence() const {
  if (message().era != mcp::Era::none) return message().repeat;
  // RFC 9110 §9.2.2: idempotent methods.
  switch (request().head.method) {
    case http::Method::get:
    case http::Method::head:
    case http::Method::put:
    case http::Method::del:
    case http::Method::options: return mcp::Repeat::safe;
    default: return mcp::Repeat::never;
  }
}

Task<Result<void>> Exchange::obtain_head() {
  const int tries_max = 1 + pool_->forward.retries;
  std::size_t candidate = 0;
  bool fresh = false;
  bool repeated = false;
  while (true) {
    ++record_.tries;
    cluster::Backend& backend = *candidates_[candidate];
    auto got = co_await attempt(backend, fresh);
    report(backend, got);
    if (trace_) trace_->on_head(got ? backend_reply().status : 0, got);
    if (got) co_return {};
    if (attempt_.connected) failed_us_ += monotonic_us() - sent_us_;
    const Retry retry = may_retry(got.error(), attempt_, licence(), repeated);
    if (retry == Retry::give_up || record_.tries >= tries_max) co_return got.error();
    const bool leaves = retry == Retry::same_backend && should_leave(backend);
    if (leaves && owned()) {
      owner_gone_ = "owner was given up";
      owner_may_answer_ = false;
      co_return got.error();
    }
    if (retry == Retry::next_backend || leaves) {
      ++candidate;
      if (candidate == candidate_count_) co_return got.error();
      count_retry();
      continue;
    }
    count_retry();
    fresh = true;
    repeated = repeated || !attempt_.nothing_delivered;
  }
}

// What the try says of the backend's health. A connection that broke with nothing of the request
// delivered had only idled for too long, and a slow tool is no illness.
void Exchange::report(cluster::Backend& backend, const Result<void>& got) {
  using cluster::Served;
  if (got) {
    const int status = backend_reply().status;
    const bool bad = status == 502 || status == 503 || status == 504;
    pool_->dispatcher.report(backend, bad ? Served::bad_gateway : Served::good);
    return;
  }
  const Error& error = got.error();
  const bool by_backend = error.side == Error::Side::backend;
  const bool broke = error.kind == Error::Kind::closed || error.kind == Error::Kind::reset;
  if (!attempt_.connected && by_backend) {
    pool_->dispatcher.report(backend, Served::connect_failed);
  } else if (attempt_.connected && broke && by_backend && !attempt_.reply_begun &&
             !attempt_.nothing_delivered && backend.healthy()) {
    pool_->dispatcher.report(backend, Served::broke_before_head);
  }
}

Task<Result<void>> Exchange::attempt(cluster::Backend& backend, bool fresh) {
  backend_ = &backend;
  attempt_ = Attempt{};
  given_up_ = false;
  record_.end = {'C', 'C'};  // unless something better is known: the client left
  load_ = cluster::LoadShare(backend);
  if (trace_) begin_traced_try();
  if (!fresh) lease_ = pool_->dispatcher.take_idle(backend);
  if (!lease_) {
    const milliseconds patience = pool_->dispatcher.view().settings.connect_timeout;
    auto connected = co_await pool_->dispatcher.connect(backend, timers().in(patience));
    if (!connected) co_return connected.error();
    lease_ = std::move(*connected);
  }
  in_flight_.begin(context_.in_flight, backend, *lease_->stream);
  attempt_.connected = true;
  attempt_.reused = lease_->reused;
  written_before_ = lease_->stream->bytes_written();
  auto got = co_await send_and_await_head();
  if (got) co_return {};
  given_up_ = in_flight_.wish() == InFlight::Wish::cut;
  attempt_.reply_begun = lease_->replies.has_begun();
  co_await prove_delivery();
  maybe_delivered_ = maybe_delivered_ || !attempt_.nothing_delivered;
  release_lease();
  co_return got.error();
}

// Not to be tried again: it has been given up meanwhile.
bool Exchange::should_leave(const cluster::Backend& backend) const {
  return given_up_ || !backend.keeps_sessions() || backend.mode() == cluster::Mode::disabled;
}

void Exchange::release_lease() {
  if (trace_) trace_->end_try();
  in_flight_.end();
  lease_.close();
}

// Some of it may wait for the socket still.
net::Stream::WriteAwaiter Exchange::send(Deadline deadline) {
  sent_us_ = monotonic_us();
  record_.wait_us = sent_us_ - started_us_;
  record_.end = {'C', 'H'};
  awaiting_head_ = true;
  net::Slices bytes;
  bytes.pieces[0] = bytes_for_backend();
  if (request().body.size() > limits::merged_body_bytes_max) bytes.pieces[1] = request().body;
  return lease_->stream->write_until_answer(bytes, deadline);
}

Task<Result<void>> Exchange::send_and_await_head() {
  const Deadline deadline = timers().in(pool_->forward.response_head);
  auto got = co_await send(deadline);
  const bool is_sent = static_cast<bool>(got) || lease_->replies.has_begun();
  // A backend may answer and close before it has read all: then the answer counts.
  if (!got) got = is_sent ? Result<void>() : got.error().by(Error::Side::backend);
  int interim = 0;
  while (got) {
    auto taken = lease_->replies.take_head(request().head.method);
    if (!taken) {
      got = taken.error();
    } else if (!*taken && in_flight_.wish() == InFlight::Wish::cut) {
      got = given_up();
    } else if (!*taken) {
      auto more = co_await lease_->replies.more(deadline);
      const bool goes_on = more || more.error().kind == Error::Kind::interrupted;
      if (!goes_on) got = more.error().by(Error::Side::backend);
    } else if (backend_reply().status < 200) {
      auto passed = co_await pass_interim_head(++interim);
      got = passed;
    } else {
      break;
    }
  }
  awaiting_head_ = false;
  if (is_sent) {
    head_us_ = std::max(sent_us_, timers().turn_us());
    record_.backend_us = head_us_ - sent_us_;
  }
  co_return got;
}

Task<Result<void>> Exchange::pass_interim_head(int count) {
  const int status = backend_reply().status;
  if (status == 101 || count > limits::interim_replies_max) {
    co_return Error{Error::Kind::malformed, Error::Side::backend, 0,
                    "the backend sent interim replies that nobody asked for"};
  }
  // 100 answers an Expect that we answered ourselves; 1.0 clients know no interim replies.
  if (status == 100 || request().head.minor_version == 0) co_return {};
  std::string bytes;
  append_interim_head(bytes, backend_reply());
  const Deadline stall = timers().in(limits::client_write_stall);
  auto written = co_await stream_.write(bytes, stall);
  if (written) co_return {};
  co_return Error{Error::Kind::reset, Error::Side::client, 0, "the client has left"};
}

// Fills attempt_.nothing_delivered after a try broke before a byte of a reply.
Task<void> Exchange::prove_delivery() {
  net::Stream& stream = *lease_->stream;
  if (attempt_.reply_begun) co_return;
  // The first write failed: the kernel took none of it.
  attempt_.nothing_delivered = stream.bytes_written() == written_before_;
  const bool closed = stream.end() && stream.end()->kind == Error::Kind::closed;
  if (attempt_.nothing_delivered || !attempt_.reused || !closed) co_return;
  attempt_.nothing_delivered = stream.proves_nothing_delivered(written_before_);
  if (attempt_.nothing_delivered) co_return;
  const Deadline answered = timers().in(proof_wait);
  co_await timers().sleep(answered);
  attempt_.nothing_delivered = stream.proves_nothing_delivered(written_before_);
}

}  // namespace mcplb::proxy
