#include "mcplb/proxy/metrics.hpp"

#include <map>

#include <doctest/doctest.h>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"

namespace mcplb::proxy {
namespace {

template <class Value, class Read>
std::map<std::uint64_t, std::uint64_t> seen(const Series<Value>& series, Read read) {
  std::map<std::uint64_t, std::uint64_t> values;
  series.each([&](std::uint64_t key, const Value& value) { values[key] = read(value); });
  return values;
}

RequestLabels labels_of(std::size_t pool, std::uint32_t backend, int status) {
  RequestLabels labels;
  labels.pool = pool;
  labels.backend = static_cast<BackendId>(backend);
  labels.method = mcp::Method::tools_call;
  labels.era = mcp::Era::legacy;
  labels.status = status;
  return labels;
}

}  // namespace

TEST_SUITE("proxy/metrics") {
  TEST_CASE("a key says all of its labels, and is never that of the others") {
    for (const std::size_t pool : {std::size_t{0}, std::size_t{77}, RequestLabels::no_pool}) {
      for (const std::uint32_t backend : {0u, 1u, std::uint32_t{limits::backends_known_max}}) {
        for (int method = 0; method < static_cast<int>(mcp::Method::count_); ++method) {
          RequestLabels labels = labels_of(pool, backend, 599);
          labels.method = static_cast<mcp::Method>(method);
          labels.era = mcp::Era::modern;
          const RequestLabels back = RequestLabels::of(labels.key());
          CHECK(back.pool == labels.pool);
          CHECK(back.backend == labels.backend);
          CHECK(back.method == labels.method);
          CHECK(back.era == labels.era);
          CHECK(back.status == labels.status);
          CHECK(labels.key() != Series<OwnCounter>::others);
        }
      }
    }
  }

  TEST_CASE("a request counts for its pool and its backend, with its times") {
    WorkerMetrics metrics(nullptr);
    PoolMetrics& pool = metrics.pools.at(3);
    metrics.note_request(labels_of(3, 4, 200), {.total = 900, .overhead = 20}, false, &pool);
    metrics.note_request(labels_of(3, 4, 503), {.total = 900}, false, &pool);
    metrics.note_request(labels_of(3, 0, 404), {.total = 10}, false, &pool);
    metrics.note_request(labels_of(3, 4, 200), {}, true, &pool);
    const auto value = [](const OwnCounter& count) { return count.value(); };
    CHECK(seen(metrics.requests, value).size() == 3);
    CHECK(pool.traffic.requests.value() == 4);
    CHECK(pool.traffic.errors.value() == 2);
    CHECK(pool.traffic.durations.counts().count() == 3);
    CHECK(pool.traffic.overheads.counts().count() == 1);
    CHECK(pool.durations[static_cast<std::size_t>(mcp::Method::tools_call)].counts().count() == 3);
    const auto requests = [](const Traffic& traffic) { return traffic.requests.value(); };
    const auto errors = [](const Traffic& traffic) { return traffic.errors.value(); };
    CHECK(seen(metrics.backends, requests).begin()->second == 3);
    CHECK(seen(metrics.backends, errors).begin()->second == 2);
    CHECK(seen(metrics.broken, value).size() == 1);
  }

  TEST_CASE("what met no pool is a request, and nothing else") {
    WorkerMetrics metrics(nullptr);
    metrics.note_request(labels_of(RequestLabels::no_pool, 0, 503), {.total = 5}, false, nullptr);
    CHECK(metrics.no_pool.requests.value() == 1);
    CHECK(metrics.no_pool.errors.value() == 1);
    const auto value = [](const OwnCounter& count) { return count.value(); };
    CHECK(seen(metrics.requests, value).size() == 1);
    CHECK(seen(metrics.backends, [](const Traffic&) { return 0; }).empty());
  }

  TEST_CASE("series of backends that left long ago make room for others") {
    cluster::Registry registry;
    cluster::BackendSettings settings;
    settings.host = "h";
    settings.port = 1;
    settings.id = "a";
    cluster::Backend* const backend = registry.add("p", settings);
    WorkerMetrics metrics(&registry);
    const auto id = static_cast<std::uint32_t>(backend->id());
    metrics.note_request(labels_of(0, id, 200), {}, false, nullptr);
    const auto has_it = [&] {
      bool found = false;
      metrics.requests.each([&](std::uint64_t key, const OwnCounter&) {
        found = found || RequestLabels::of(key).backend == backend->id();
      });
      return found;
    };
    backend->set_gone_since(monotonic_ms() - limits::gone_series_kept.count() - 1);
    for (std::size_t pool = 1; pool < limits::metric_series_max; ++pool)
      metrics.note_request(labels_of(pool, 0, 200), {}, false, nullptr);
    CHECK(has_it());
    metrics.note_request(labels_of(0, 0, 200), {}, false, nullptr);
    CHECK_FALSE(has_it());
  }
}

}  // namespace mcplb::proxy
