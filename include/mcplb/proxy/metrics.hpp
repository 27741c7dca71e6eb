// What one worker counts of the requests that it serves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mcplb/base/histogram.hpp"
#include "mcplb/base/ids.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/series.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/proxy/reason.hpp"

namespace mcplb::proxy {

// Microseconds. Tools may take minutes.
inline constexpr std::array<std::uint64_t, 20> duration_bounds_us{
    250,     500,       1'000,     2'500,     5'000,      10'000,     25'000,
    50'000,  100'000,   250'000,   500'000,   1'000'000,  2'500'000,  5'000'000,
    10'000'000, 30'000'000, 60'000'000, 120'000'000, 300'000'000, 600'000'000};
inline constexpr std::array<std::uint64_t, 14> overhead_bounds_us{
    10,    25,     50,     100,    250,     500,     1'000,
    2'500, 5'000, 10'000, 25'000, 100'000, 500'000, 2'500'000};
using DurationHistogram = Histogram<duration_bounds_us, OwnCounter>;
using OverheadHistogram = Histogram<overhead_bounds_us, OwnCounter>;

// Whose request it was, and how it went: as a key of a series, and back.
struct RequestLabels {
  static constexpr std::size_t no_pool = 0xffff;

  std::size_t pool = no_pool;  // its place in SharedState::pools
  BackendId backend = BackendId::none;
  mcp::Method method = mcp::Method::none;
  mcp::Era era = mcp::Era::none;
  int status = 0;  // 0: the client left before there was any

  std::uint64_t key() const;
  static RequestLabels of(std::uint64_t key);
};

// Why a request was tried again.
enum class RetryReason : std::uint8_t {
  connect,      // no connection was made
  undelivered,  // provably nothing of it had arrived
  repeatable,   // it may have arrived, and may be repeated
  count_
};
std::string_view to_string(RetryReason reason);

// Of a pool, or of a backend. An error is a reply of 500 and more, or one that broke.
struct Traffic {
  OwnCounter requests;
  OwnCounter errors;
  DurationHistogram durations;
  OverheadHistogram overheads;  // our own share
};

struct PoolMetrics {
  Traffic traffic;
  std::array<DurationHistogram, static_cast<std::size_t>(mcp::Method::count_)> durations;
  std::array<OwnCounter, static_cast<std::size_t>(RetryReason::count_)> retries;
};

// Times of one exchange, in microseconds; less than 0: there was no such thing.
struct ExchangeTimes {
  std::int64_t total = -1;     // of a stream that stays open for its own sake: none
  std::int64_t overhead = -1;  // before the backend had the request, and before the client had the
                               // reply's head; of an exchange without a reply: none
};

// Counted by its worker, read by any thread. Owned by the worker.
class WorkerMetrics {
 public:
  // `registry` tells which backends are gone, so that their series may go; null in tests.
  explicit WorkerMetrics(const cluster::Registry* registry);

  // `of_pool` is that of the labels, null when no pool was met.
  void note_request(const RequestLabels& labels, const ExchangeTimes& times, bool broke,
                    PoolMetrics* of_pool);
  void note_local_reply(Reason reason) { local_replies[static_cast<std::size_t>(reason)].add(); }

  Series<OwnCounter> requests;  // by RequestLabels
  Traffic no_pool;              // of requests that met none
  Series<PoolMetrics> pools;    // by the pool's place in SharedState::pools
  Series<Traffic> backends;     // by the pool and the backend of RequestLabels
  Series<OwnCounter> broken;    // likewise: replies that broke after their head
  std::array<OwnCounter, static_cast<std::size_t>(Reason::count_)> local_replies;
};

}  // namespace mcplb::proxy
