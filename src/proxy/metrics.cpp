#include "mcplb/proxy/metrics.hpp"

#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"

namespace mcplb::proxy {
namespace {

// From the lowest bit: status 10, method 6, era 2, pool 16, backend 30.
constexpr int method_at = 10;
constexpr int era_at = 16;
constexpr int pool_at = 18;
constexpr int backend_at = 34;

Series<OwnCounter>::IsStale stale_backends(const cluster::Registry* registry) {
  if (registry == nullptr) return {};
  return [registry](std::uint64_t key, TimePoint now) {
    const cluster::Backend* const backend = registry->find(RequestLabels::of(key).backend);
    return backend != nullptr && backend->gone_for(limits::gone_series_kept, now);
  };
}

}  // namespace

std::uint64_t RequestLabels::key() const {
  return static_cast<std::uint64_t>(status & 1023) |
         static_cast<std::uint64_t>(method) << method_at |
         static_cast<std::uint64_t>(era) << era_at |
         static_cast<std::uint64_t>(pool & no_pool) << pool_at |
         static_cast<std::uint64_t>(backend) << backend_at;
}

RequestLabels RequestLabels::of(std::uint64_t key) {
  RequestLabels labels;
  labels.status = static_cast<int>(key & 1023);
  labels.method = static_cast<mcp::Method>(key >> method_at & 63);
  labels.era = static_cast<mcp::Era>(key >> era_at & 3);
  labels.pool = key >> pool_at & no_pool;
  labels.backend = static_cast<BackendId>(key >> backend_at);
  return labels;
}

std::string_view to_string(RetryReason reason) {
  switch (reason) {
    case RetryReason::connect: return "connect";
    case RetryReason::undelivered: return "undelivered";
    case RetryReason::repeatable: return "repeatable";
    case RetryReason::count_: break;
  }
  return "";
}

WorkerMetrics::WorkerMetrics(const cluster::Registry* registry)
    : requests(limits::metric_series_max, stale_backends(registry)),
      pools(limits::metric_series_max),
      backends(limits::metric_series_max, stale_backends(registry)),
      broken(limits::metric_series_max, stale_backends(registry)) {}

void WorkerMetrics::note_request(const RequestLabels& labels, const ExchangeTimes& times,
                                 bool broke, PoolMetrics* of_pool) {
  requests.at(labels.key()).add();
  const bool failed = broke || labels.status >= 500;
  const auto count = [&](Traffic& traffic) {
    traffic.requests.add();
    if (failed) traffic.errors.add();
    if (times.total >= 0) traffic.durations.observe(times.total);
    if (times.overhead >= 0) traffic.overheads.observe(times.overhead);
  };
  if (of_pool == nullptr) return count(no_pool);
  count(of_pool->traffic);
  if (times.total >= 0) {
    of_pool->durations[static_cast<std::size_t>(labels.method)].observe(times.total);
  }
  if (labels.backend == BackendId::none) return;
  RequestLabels of_backend;
  of_backend.pool = labels.pool;
  of_backend.backend = labels.backend;
  count(backends.at(of_backend.key()));
  if (broke) broken.at(of_backend.key()).add();
}

}  // namespace mcplb::proxy
