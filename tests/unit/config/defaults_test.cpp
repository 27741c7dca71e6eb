// What says no more than the defaults do.
#include "unit/config/loading.hpp"

namespace mcplb::config {
TEST_SUITE("config/defaults") {
  TEST_CASE("keys that ask for nothing are accepted") {
    const Environment environment = environment_of({});
    const Outcome outcome = loaded(R"(
listeners: [{tls: {certificate: "", key: , min_version: "1.2"}}]
resolver: {servers: []}
store: {redis: {url: "${REDIS_URL:-}", prefix: mcplb, timeout: 250ms}}
registration: {enabled: false, node_timeout: 15s, cleanup_interval: 30s}
tracing: {otlp_endpoint: "", sample_ratio: 1}
pools:
  - backends: [{url: "http://h", tls: {}, dns: "", refresh: 5s}]
    sessions: {identity: learned, max_per_backend: 0, bind: none}
    health: {check: tcp, path: "", host: , slow_start: 0s,
             passive: {failures: 5, eject_for: 10s, max_ejected: 50%}}
)",
                                   environment);
    CHECK(complaints(outcome) == "");
  }

  TEST_CASE("no default falls back") { CHECK(loaded(one_pool).loaded.notes.empty()); }
}

}  // namespace mcplb::config
