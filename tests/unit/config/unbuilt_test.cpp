// What the contract promises for later: refused when asked for, accepted when not.
#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

}  // namespace

TEST_SUITE("config/unbuilt") {
  TEST_CASE("asking for a part that is not built is refused by its name") {
    struct Case {
      std::string text;
      const char* key;
    };
    const Case cases[] = {
        {one_pool + "tracing: {otlp_endpoint: \"http://o:4318\"}", "tracing.otlp_endpoint"},
    };
    for (const Case& each : cases) {
      CAPTURE(each.text);
      const std::string text = complaints(each.text);
      CAPTURE(text);
      CHECK(text.find(std::string(": ") + each.key + " is not built yet in this version") !=
            std::string::npos);
      CHECK(text.find('\n') == std::string::npos);
    }
  }

  TEST_CASE("keys that ask for nothing are accepted") {
    const Environment environment = environment_of({});
    const Outcome outcome = loaded(R"(
listeners: [{tls: {certificate: "", key: , min_version: "1.2"}}]
resolver: {servers: []}
store: {redis: {url: "${REDIS_URL:-}", prefix: mcplb, timeout: 250ms}}
registration: {enabled: false, node_timeout: 15s, cleanup_interval: 30s}
tracing: {otlp_endpoint: ""}
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
