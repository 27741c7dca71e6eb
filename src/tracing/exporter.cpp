#include "mcplb/tracing/exporter.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/wire/call.hpp"
#include "tracing/otlp_json.hpp"
#include "tracing/retry_after.hpp"

namespace mcplb::tracing {
namespace {

constexpr milliseconds flush_look{20};

// A collector's word on a batch, as far as it is of interest.
class CollectorReply final : public wire::ReplySink {
 public:
  bool on_head(const wire::CallHead& head) override {
    status = head.status;
    retry_after = read_retry_after(head.retry_after, unix_ns() / 1'000'000'000);
    return true;
  }
  bool on_content(std::string_view content) override {
    const bool fits = content.size() <= limits::span_reply_bytes_max - body.size();
    if (fits) body += content;
    return fits;
  }

  int status = 0;
  std::optional<milliseconds> retry_after;
  std::string body;
};

std::string lines_of(const std::vector<Pair>& headers) {
  std::string lines;
  for (const Pair& header : headers) lines += header.first + ": " + header.second + "\r\n";
  return lines;
}

// Those that OTLP allows to try again.
bool is_passing(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

// Between a half and the whole: balancers that lost the same collector come back one by one.
milliseconds jittered(milliseconds pause) {
  const auto whole = static_cast<std::uint64_t>(pause.count());
  return milliseconds(whole / 2 + random64() % (whole / 2 + 1));
}

}  // namespace

Task<Result<std::unique_ptr<net::Stream>>> NetConnector::connect(const Endpoint& endpoint,
                                                                 Deadline deadline) {
  auto stream = co_await net::connect_host(loop_, resolver_, endpoint.host, endpoint.port,
                                           deadline);
  if (!stream || tls_ == nullptr) co_return stream;
  co_return co_await net::tls_connect(loop_, *std::move(stream), *tls_, endpoint.host, deadline);
}

Exporter::Exporter(net::Timers& timers, Connector& connector, Target target)
    : timers_(timers),
      connector_(connector),
      target_(std::move(target)),
      fields_(lines_of(target_.headers)) {
  queue_.reserve(limits::spans_queued_max);  // take() moves one span, never all of them
}

void Exporter::take(Span span) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() + left_ < limits::spans_queued_max) {
      queue_.push_back(std::move(span));
      return;
    }
  }
  counts_.dropped.add();
  count_limit_hit(Limit::spans);
}

std::size_t Exporter::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + left_;
}

Task<void> Exporter::run() {
  while (true) {
    const Deadline look = timers_.in(limits::span_look);
    co_await timers_.sleep(look);
    while (is_due()) {
      auto batch = next_batch();
      co_await send(std::move(batch));
    }
  }
}

bool Exporter::is_due() {
  const std::size_t spans = waiting();
  if (spans == 0) {
    waiting_since_.reset();
    return false;
  }
  if (!waiting_since_) waiting_since_ = timers_.now();
  const bool old = timers_.now() - *waiting_since_ >= limits::span_batch_wait.count();
  return spans >= limits::span_batch_max || old || ending_;
}

// Workers are kept from adding to the queue only while it changes hands.
std::vector<Span> Exporter::next_batch() {
  if (next_ == taken_.size()) {
    taken_.clear();  // its memory is the next queue's
    next_ = 0;
    const std::lock_guard lock(mutex_);
    taken_.swap(queue_);
    left_ = taken_.size();
  }
  const std::size_t count = std::min(limits::span_batch_max, taken_.size() - next_);
  const auto first = taken_.begin() + static_cast<std::ptrdiff_t>(next_);
  std::vector<Span> batch(std::make_move_iterator(first),
                          std::make_move_iterator(first + static_cast<std::ptrdiff_t>(count)));
  next_ += count;
  const std::lock_guard lock(mutex_);
  left_ -= count;
  if (left_ + queue_.size() == 0) waiting_since_.reset();
  return batch;
}

Task<void> Exporter::send(std::vector<Span> batch) {
  const std::size_t spans = batch.size();
  const std::string body = to_otlp_json(batch, target_.resource);
  std::vector<Span>().swap(batch);
  sending_ = spans;
  milliseconds next_pause = limits::span_backoff_min;
  for (int tries = 1;; ++tries) {
    auto answer = co_await attempt(body);
    if (answer.outcome == Answer::Outcome::taken) {
      on_taken(answer, spans);
      break;
    }
    const bool refused = answer.outcome == Answer::Outcome::refused;
    const bool gives_up = refused || tries == limits::span_tries || ending_;
    if (gives_up) {
      counts_.failed_batches.add();
      counts_.dropped.add(spans);
    }
    on_failure(answer);
    if (gives_up) break;
    const milliseconds wait = answer.retry_after.value_or(jittered(next_pause));
    co_await pause(wait);
    next_pause = std::min(2 * next_pause, limits::span_backoff_max);
  }
  sending_ = 0;
}

Task<Exporter::Answer> Exporter::attempt(const std::string& body) {
  Deadline deadline = timers_.in(target_.timeout);
  if (ending_) deadline = earlier(deadline, *ending_);
  Answer answer;
  auto stream = co_await connector_.connect(target_.endpoint, deadline);
  if (!stream) {
    answer.why = stream.error().what;
    co_return answer;
  }
  wire::CallRequest request;
  request.target = target_.endpoint.target;
  request.fields = {{"Host", target_.endpoint.authority()},
                    {"User-Agent", "mcplb/" MCPLB_VERSION},
                    {"Content-Type", "application/json"}};
  request.lines = fields_;
  request.body = body;
  CollectorReply reply;
  auto ended = co_await wire::call(**stream, std::move(request), reply, deadline);
  if (reply.status == 0) {
    answer.why = ended ? "no reply" : ended.error().what;
    co_return answer;
  }
  answer.why = "status " + std::to_string(reply.status);
  if (reply.status >= 200 && reply.status < 300) {
    Acceptance acceptance = read_acceptance(reply.body);
    answer.outcome = Answer::Outcome::taken;
    answer.rejected = acceptance.rejected;
    answer.why = std::move(acceptance.message);
    co_return answer;
  }
  const std::string message = read_refusal(reply.body);
  if (!message.empty()) answer.why += ": " + message;
  if (is_passing(reply.status)) {
    answer.retry_after = reply.retry_after;
  } else {
    answer.outcome = Answer::Outcome::refused;
  }
  co_return answer;
}

// Ends early when the process does.
Task<void> Exporter::pause(milliseconds wait) {
  const Deadline end = timers_.in(wait);
  while (!ending_ && !end.passed(timers_.now())) {
    const Deadline look = earlier(end, timers_.in(limits::span_look));
    co_await timers_.sleep(look);
  }
}

void Exporter::on_taken(const Answer& answer, std::size_t spans) {
  const std::uint64_t rejected = std::min<std::uint64_t>(answer.rejected, spans);
  counts_.exported.add(spans - rejected);
  counts_.dropped.add(rejected);
  if (rejected == 0 && !answer.why.empty()) {
    log::event(LogLevel::debug, "tracing_collector_says", "message", answer.why);
  }
  const bool partial = rejected > 0;
  if (failing_ && !partial) {
    failing_ = false;
    log::event(LogLevel::info, "tracing_export_resumed", "endpoint", target_.endpoint.text(),
               "dropped", counts_.dropped.value());
  }
  if (!partial) return;
  Answer told = answer;
  told.why = "rejected " + std::to_string(rejected) + " spans: " + answer.why;
  on_failure(told);
}

// One line when it begins, and one now and then while it goes on.
void Exporter::on_failure(const Answer& answer) {
  const TimePoint now = timers_.now();
  if (failing_ && now - said_at_ < limits::span_failure_line.count()) return;
  failing_ = true;
  said_at_ = now;
  log::event(LogLevel::warn, "tracing_export_failed", "endpoint", target_.endpoint.text(), "why",
             answer.why, "dropped", counts_.dropped.value());
}

Task<void> Exporter::flush(Deadline deadline) {
  ending_ = deadline;
  const std::uint64_t before = counts_.dropped.value();
  while (waiting() > 0 || sending_ > 0) {
    const TimePoint now = timers_.now();
    if (deadline.passed(now)) break;
    const Deadline look = timers_.in(flush_look);
    co_await timers_.sleep(look);
  }
  // The batch that is under way ends with the process.
  counts_.dropped.add(waiting() + sending_);
  const std::uint64_t lost = counts_.dropped.value() - before;
  if (lost == 0) co_return;
  log::event(LogLevel::warn, "tracing_spans_lost", "endpoint", target_.endpoint.text(), "spans",
             lost, "why", "the collector did not take them before the end");
}

}  // namespace mcplb::tracing
