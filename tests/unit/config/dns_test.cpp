// Backends behind DNS names, and the servers that are asked.
#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

std::string backends(const std::string& elements) {
  return "pools: [{backends: [" + elements + "]}]";
}

std::string servers(const std::string& list) {
  return one_pool + "resolver: {servers: [" + list + "]}";
}

}  // namespace

TEST_SUITE("config/dns") {
  TEST_CASE("a pool's backends are urls and names, each with its own keys") {
    const Settings settings = settings_of(
        backends("{dns: \"https://mcp.test\", refresh: 250ms, weight: 3, tls: {ca: ca.pem}}, "
                 "{url: \"http://10.0.0.1:3000\"}, {dns: \"http://_http._tcp.mcp.test\"}"));
    const cluster::PoolSettings& pool = settings.pools[0].cluster;
    REQUIRE(pool.backends.size() == 1);
    CHECK(pool.backends[0].id == "10.0.0.1:3000");
    REQUIRE(pool.dns.size() == 2);
    CHECK(pool.dns[0].host == "mcp.test");
    CHECK(pool.dns[0].port == 443);
    CHECK(pool.dns[0].https);
    CHECK(pool.dns[0].refresh == milliseconds(250));
    CHECK(pool.dns[0].weight == 3);
    CHECK(pool.dns[0].tls.ca == "ca.pem");
    CHECK(pool.dns[1].host == "_http._tcp.mcp.test");
    CHECK(pool.dns[1].refresh == milliseconds(5000));
  }

  TEST_CASE("a pool may have names only") {
    const Settings settings = settings_of(backends("{dns: \"http://mcp.test:3000\"}"));
    CHECK(settings.pools[0].cluster.backends.empty());
    CHECK(settings.pools[0].cluster.dns.size() == 1);
  }

  TEST_CASE("what is printed loads again as the same") {
    const Settings settings =
        settings_of(backends("{dns: \"http://mcp.test:3000\", refresh: 1s, weight: 2}, "
                             "{url: \"http://10.0.0.1:3000\"}") +
                    "\nresolver: {servers: [10.0.0.2, \"::1\"]}");
    const std::string printed = print_effective(settings);
    CHECK(printed.find("dns: \"http://mcp.test:3000\"") != std::string::npos);
    CHECK(printed.find("servers: [\"10.0.0.2:53\", \"[::1]:53\"]") != std::string::npos);
    const Settings again = settings_of(printed);
    CHECK(print_effective(again) == printed);
    REQUIRE(again.pools[0].cluster.dns.size() == 1);
    CHECK(again.pools[0].cluster.dns[0].weight == 2);
    CHECK(again.pools[0].cluster.backends.size() == 1);
  }

  TEST_CASE("mistakes are told with their place") {
    struct Case {
      std::string text;
      const char* complaint;
    };
    const Case cases[] = {
        {backends("{dns: \"http://h\", url: \"http://h\"}"),
         "1:27: pools[0].backends[0] has url and dns: it wants one"},
        {backends("{refresh: 1s}"), "1:21: pools[0].backends[0] needs a url or dns"},
        {backends("{dns: \"http://h\", id: one}"),
         "1:43: pools[0].backends[0].id: the backends behind dns are named by their address"},
        {backends("{dns: \"http://h\", refresh: 99ms}"),
         "1:48: pools[0].backends[0].refresh: \"99ms\" is out of range: 100ms to 24h"},
        {backends("{dns: h}"),
         "1:27: pools[0].backends[0].dns: wants a URL: http://host:port or https://host:port"},
        {backends("{dns: \"http://10.0.0.1:80\"}"),
         "1:27: pools[0].backends[0].dns: \"10.0.0.1\" is an address already: write it as url"},
        {backends("{dns: \"http://[::1]:80\"}"),
         "1:27: pools[0].backends[0].dns: \"::1\" is an address already: write it as url"},
        {backends("{dns: \"http://h\"}, {dns: \"http://h:80\"}"),
         "1:46: the name \"h:80\" is used twice: pools[0].backends[0].dns has it, too"},
        {backends("{dns: \"http://h\", tls: {ca: x}}"),
         "1:44: pools[0].backends[0].tls is for https:// URLs"},
    };
    for (const Case& each : cases) {
      CAPTURE(each.text);
      CHECK(complaints(each.text) == each.complaint);
    }
  }

  TEST_CASE("servers are addresses, with or without a port") {
    const Settings settings =
        settings_of(servers("10.0.0.2, \"127.0.0.1:5353\", \"[::1]:53\", \"::1\""));
    CHECK(settings.resolver.servers ==
          std::vector<std::string>{"10.0.0.2:53", "127.0.0.1:5353", "[::1]:53", "[::1]:53"});
    CHECK(settings_of(servers("")).resolver.servers.empty());
    CHECK(complaints(servers("10.0.0.2, dns.test")) ==
          "2:32: resolver.servers[1]: \"dns.test\" is no DNS server: 10.0.0.2, 10.0.0.2:53 or "
          "[::1]:53");
    CHECK(complaints(servers("\"10.0.0.2:0\"")) ==
          "2:22: resolver.servers[0]: \"0\" is no port from 1 to 65535");
    for (const char* const wrong : {"\"\"", "\"1.2.3\"", "\"[::1\"", "\"10.0.0.2:x\"", "\":53\""}) {
      CAPTURE(wrong);
      CHECK(complaints(servers(wrong)).find("2:22: resolver.servers[0]: ") == 0);
    }
    std::string many = "10.0.0.1";
    for (int i = 0; i < 8; ++i) many += ", 10.0.0.1";
    CHECK(complaints(servers(many)) == "2:21: resolver.servers has more than 8");
  }
}

}  // namespace mcplb::config
