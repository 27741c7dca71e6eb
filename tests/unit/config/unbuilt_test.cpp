// What the contract promises for later: refused when asked for, accepted when not.
#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

std::string in_pool(std::string_view keys) {
  return "pools: [{backends: [{url: \"http://h\"}], " + std::string(keys) + "}]\n";
}

}  // namespace

TEST_SUITE("config/unbuilt") {
  TEST_CASE("asking for a part that is not built is refused by its name") {
    struct Case {
      std::string text;
      const char* key;
    };
    const Case cases[] = {
        {one_pool + "registration: {enabled: true}", "registration.enabled"},
        {one_pool + "tracing: {otlp_endpoint: \"http://o:4318\"}", "tracing.otlp_endpoint"},
        {in_pool("sessions: {on_backend_loss: reroute}"),
         "pools[0].sessions.on_backend_loss: reroute"},
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

  TEST_CASE("defaults that fall back are told in notes") {
    const Outcome outcome = loaded(one_pool);
    CHECK(
        outcome.loaded.notes ==
        std::vector<std::string>{
            "pools[0].sessions.on_backend_loss: reestablish is not built yet and acts as not_found",
            "pools[0].drain.timeout: not built yet: backends cannot be drained"});
  }

  TEST_CASE("what is built has no notes") {
    const Outcome outcome = loaded(
        in_pool("drain: {timeout: 0s}, sessions: {on_backend_loss: not_found, on_unknown: "
                "forward}"));
    CHECK(complaints(outcome) == "");
    CHECK(outcome.loaded.notes.empty());
  }
}

}  // namespace mcplb::config
