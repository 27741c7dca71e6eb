// Sends spans to a collector: in batches, one request after the other, as OTLP over HTTP in JSON.
// What a collector does not take in time is dropped and counted; nobody ever waits for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/base/span.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/net/timers.hpp"
#include "mcplb/net/tls.hpp"
#include "mcplb/tracing/target.hpp"

namespace mcplb::tracing {

// Of spans and of batches. May be read on any thread.
struct ExportCounts {
  Counter exported;        // spans that the collector took
  Counter dropped;         // spans that it never got, or rejected
  Counter failed_batches;  // given up
};

// How a collector is reached.
class Connector {
 public:
  virtual ~Connector() = default;
  Connector() = default;
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  virtual Task<Result<std::unique_ptr<net::Stream>>> connect(const Endpoint& endpoint,
                                                             Deadline deadline) = 0;
};

// By the network. `tls` is null for http; all outlive it.
class NetConnector final : public Connector {
 public:
  NetConnector(net::Loop& loop, net::Resolver& resolver, const net::TlsClientContext* tls)
      : loop_(loop), resolver_(resolver), tls_(tls) {}
  Task<Result<std::unique_ptr<net::Stream>>> connect(const Endpoint& endpoint,
                                                     Deadline deadline) override;

 private:
  net::Loop& loop_;
  net::Resolver& resolver_;
  const net::TlsClientContext* const tls_;
};

// Owned by the server; used on the control loop but for take() and counts(). Outlives the workers.
class Exporter final : public SpanSink {
 public:
  // Both outlive it.
  Exporter(net::Timers& timers, Connector& connector, Target target);

  // Any thread. At most limits::spans_queued_max wait.
  void take(Span span) override;
  // Sends what comes, until it is cancelled.
  Task<void> run();
  // What waits is sent now, once, for a process that ends. Returns when all is gone or the deadline
  // has passed; what is left then counts as dropped.
  Task<void> flush(Deadline deadline);
  const ExportCounts& counts() const { return counts_; }

 private:
  // What became of one attempt.
  struct Answer {
    enum class Outcome : std::uint8_t { taken, refused, again };
    Outcome outcome = Outcome::again;
    std::uint64_t rejected = 0;
    std::optional<milliseconds> retry_after;
    std::string why;  // for the log
  };

  std::size_t waiting() const;
  bool is_due();
  std::vector<Span> next_batch();
  Task<void> send(std::vector<Span> batch);
  Task<Answer> attempt(const std::string& body);
  Task<void> pause(milliseconds wait);
  void on_taken(const Answer& answer, std::size_t spans);
  void on_failure(const Answer& answer);

  net::Timers& timers_;
  Connector& connector_;
  const Target target_;
  const std::string fields_;  // the headers of the operator, as lines

  mutable std::mutex mutex_;  // held to move one span, or the whole queue at once; guards:
  std::vector<Span> queue_;
  std::size_t left_ = 0;  // of taken_

  std::vector<Span> taken_;   // out of the queue, in its order, to be sent next
  std::size_t next_ = 0;      // the first of them that was not sent yet

  std::optional<TimePoint> waiting_since_;  // as far as was looked
  std::size_t sending_ = 0;                 // spans of the batch that is under way
  std::optional<Deadline> ending_;
  bool failing_ = false;  // the last attempt did, and the log knows
  TimePoint said_at_ = 0;
  ExportCounts counts_;
};

}  // namespace mcplb::tracing
