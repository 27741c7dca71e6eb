#include "config/reader.hpp"

#include "unit/config/loading.hpp"

namespace mcplb::config {

namespace {

constexpr const char* everything = R"(
instance: lb-1
listeners:
  - {address: "[::]:9000", name: public}
  - {address: "unix:/run/mcplb.sock", name: local}
admin: {address: "127.0.0.1:9999", token: secret}
workers: 4
secrets: [the first of two secrets, the second of two secrets]
trusted_proxies: [10.0.0.0/8, "::1"]
pools:
  - name: tools
    routes: [{listener: local, host: "*.Example.org", path: /tools, strip_prefix: true}]
    balance: session_hash
    hash_on: header:X-User
    pin: {header: X-MCPHub-Node, cookie: MCPHUB_NODE}
    sessions: {identity: none, idle_timeout: 1h, on_unknown: forward, on_backend_loss: not_found}
    health: {check: mcp, path: /rpc, host: "h:8", interval: 1s, timeout: 500ms, rise: 1, fall: 5,
             slow_start: 30s, passive: {failures: 7, eject_for: 3s, max_ejected: 20%}}
    drain: {timeout: 1m}
    timeouts: {connect: 1s, request_body: 2s, response_head: 3s, stream_idle: 4s}
    keepalive: {idle: 5s, max_idle_per_backend: 6}
    heartbeat: 0s
    retries: 0
    backends: [{url: "http://[::1]:3000/", weight: 7, id: one}]
limits: {request_bytes_max: 1MiB, head_bytes_max: 16KiB, headers_max: 50,
         client_connections_max: 9, head_timeout: 8s, client_idle_timeout: 7s}
log: {level: debug, format: json, access: stdout}
shutdown_delay: 1s
shutdown_timeout: 2s
)";

}  // namespace

TEST_SUITE("config/reader") {
  TEST_CASE("every key of the process reaches its field") {
    const Settings settings = settings_of(everything);
    CHECK(settings.instance == "lb-1");
    REQUIRE(settings.listeners.size() == 2);
    CHECK(settings.listeners[1].address == "unix:/run/mcplb.sock");
    CHECK(settings.admin.token == "secret");
    CHECK(settings.workers == 4);
    CHECK(settings.secrets == std::vector<std::string>{"the first of two secrets",
                                                       "the second of two secrets"});
    CHECK(settings.client.trusted_proxies == std::vector<std::string>{"10.0.0.0/8", "::1"});
    CHECK(settings.http.request_bytes_max == 1024 * 1024);
    CHECK(settings.http.head_bytes_max == 16 * 1024);
    CHECK(settings.http.headers_max == 50);
    CHECK(settings.client.client_connections_max == 9);
    CHECK(settings.client.head_timeout.count() == 8000);
    CHECK(settings.client.client_idle_timeout.count() == 7000);
    CHECK(settings.log.level == LogLevel::debug);
    CHECK(settings.log.format == LogFormat::json);
    CHECK(settings.log.access == "stdout");
    CHECK(settings.shutdown_delay.count() == 1000);
    CHECK(settings.shutdown_timeout.count() == 2000);
  }

  TEST_CASE("every key of a pool reaches its field") {
    const Settings settings = settings_of(everything);
    REQUIRE(settings.pools.size() == 1);
    const PoolSettings& pool = settings.pools[0];
    REQUIRE(pool.routes.size() == 1);
    CHECK(pool.routes[0].listener == "local");
    CHECK(pool.routes[0].host == "*.example.org");
    CHECK(pool.routes[0].path == "/tools");
    CHECK(pool.routes[0].strip_prefix);
    CHECK(pool.cluster.balance == cluster::Balance::session_hash);
    CHECK(pool.cluster.hash_on.source == cluster::HashOn::Source::header);
    CHECK(pool.cluster.hash_on.name == "X-User");
    CHECK(pool.cluster.pin.header == "X-MCPHub-Node");
    CHECK(pool.cluster.pin.cookie == "MCPHUB_NODE");
    CHECK(pool.sessions.identity == session::Identity::none);
    CHECK(pool.sessions.idle_timeout.count() == 3'600'000);
    CHECK(pool.sessions.on_unknown == session::OnUnknown::forward);
    CHECK(pool.sessions.on_backend_loss == session::OnBackendLoss::not_found);
    CHECK(pool.cluster.health.check == cluster::HealthSettings::Check::mcp);
    CHECK(pool.cluster.health.path == "/rpc");
    CHECK(pool.cluster.health.host == "h:8");
    CHECK(pool.cluster.health.slow_start.count() == 30'000);
    CHECK(pool.cluster.health.passive.failures == 7);
    CHECK(pool.cluster.health.passive.eject_for.count() == 3000);
    CHECK(pool.cluster.health.passive.max_ejected == 20);
    CHECK(pool.cluster.health.interval.count() == 1000);
    CHECK(pool.cluster.health.timeout.count() == 500);
    CHECK(pool.cluster.health.rise == 1);
    CHECK(pool.cluster.health.fall == 5);
    CHECK(pool.cluster.drain_timeout.count() == 60'000);
    CHECK(pool.cluster.connect_timeout.count() == 1000);
    CHECK(pool.forward.request_body.count() == 2000);
    CHECK(pool.forward.response_head.count() == 3000);
    CHECK(pool.forward.stream_idle.count() == 4000);
    CHECK(pool.cluster.keepalive.idle.count() == 5000);
    CHECK(pool.cluster.keepalive.max_idle_per_backend == 6);
    CHECK(pool.forward.heartbeat.count() == 0);
    CHECK(pool.forward.retries == 0);
    REQUIRE(pool.cluster.backends.size() == 1);
    CHECK(pool.cluster.backends[0].host == "::1");
    CHECK(pool.cluster.backends[0].port == 3000);
    CHECK(pool.cluster.backends[0].weight == 7);
    CHECK(pool.cluster.backends[0].id == "one");
  }

  TEST_CASE("a key without a value keeps its default") {
    const Settings settings = settings_of(one_pool + "admin: {address: }\nworkers:\nlog: ~\n");
    CHECK(settings.admin.address == "127.0.0.1:9180");
    CHECK(settings.workers == 0);
    CHECK(settings.log.level == LogLevel::info);
  }

  TEST_CASE("a problem is told with its place") {
    struct Case {
      const char* text;  // behind a valid pool
      const char* complaint;
    };
    const Case cases[] = {
        {"shutdown_delay: 30", "2:17: shutdown_delay: \"30\" needs a unit: 250ms, 30s, 5m, 1h"},
        {"limits: {headers_max: 0}", "2:23: limits.headers_max: \"0\" is out of range: 1 to 10000"},
        {"limits: {head_timeout: 25h}",
         "2:24: limits.head_timeout: \"25h\" is out of range: 1ms to 24h"},
        {"log: {level: loud}", "2:14: log.level: \"loud\" is none of debug, info, warn, error"},
        {"log: loud", "2:6: log wants keys, as in \"level: …\""},
        {"log: {level: [info]}", "2:14: log.level wants one value"},
        {"secrets: one", "2:10: secrets wants a list: each element begins with \"- \""},
        {"listeners: {address: x}",
         "2:12: listeners wants a list: each element begins with \"- \""},
        {"trusted_proxies: [10.0.0.0/8, nonsense]",
         "2:31: trusted_proxies[1]: \"nonsense\" is no network: 10.0.0.0/8, fd00::/8 or one "
         "address"},
        {"listeners: [{address: \":80\"}]",
         "2:23: listeners[0].address: \":80\" names no address: write 0.0.0.0:PORT or [::]:PORT "
         "for "
         "all of them"},
        {"listners: []", "2:1: unknown key \"listners\"; did you mean \"listeners\"?"},
        {"log: {formt: json}", "2:7: unknown key \"formt\" in log; did you mean \"format\"?"},
    };
    for (const Case& each : cases) {
      CAPTURE(each.text);
      CHECK(complaints(one_pool + each.text) == each.complaint);
    }
  }

  TEST_CASE("an unknown key deep in a list names the element") {
    CHECK(
        complaints("pools:\n  - name: a\n    balence: x\n    backends: [{url: \"http://h\"}]\n") ==
        "3:5: unknown key \"balence\" in pools[0]; did you mean \"balance\"?");
  }

  TEST_CASE("a known key in the wrong place is sent to the right one") {
    CHECK(complaints("connect: 1s\n" + one_pool) ==
          "1:1: unknown key \"connect\"; it belongs in pools[].timeouts");
    CHECK(complaints("log: {workers: 2}\n" + one_pool) ==
          "1:7: unknown key \"workers\" in log; it belongs to the top level");
  }

  TEST_CASE("all problems of a file are told at once, in its order") {
    const std::string text = complaints(
        "pools:\n  - retries: 99\n    backends: []\nworkers: x\nlog: {level: 1}\nextra: 1\n");
    CHECK(text ==
          "2:14: pools[0].retries: \"99\" is out of range: 0 to 10\n"
          "3:15: pools[0].backends needs at least one backend\n"
          "4:10: workers: \"x\" is no whole number: auto or 1 to 1024\n"
          "5:14: log.level: \"1\" is none of debug, info, warn, error\n"
          "6:1: unknown key \"extra\"; did you mean \"store\"?");
  }

  TEST_CASE("hostile input cannot pile up problems") {
    std::string text = one_pool + "secrets: [";
    for (int i = 0; i < 500; ++i)
      text += "[], ";
    CHECK(loaded(text + "]").problems.size() == Report::problems_max);
  }

  TEST_CASE("a file that is no map says what it wants") {
    CHECK(complaints("just text").find("wants keys") != std::string::npos);
    CHECK(complaints("[1, 2]").find("wants keys") != std::string::npos);
  }
}

}  // namespace mcplb::config
