#include "config/finish.hpp"

#include "unit/config/loading.hpp"

namespace mcplb::config {

TEST_SUITE("config/finish") {
  TEST_CASE("names have computed defaults") {
    const Settings settings =
        settings_of("pools: [{backends: [{url: \"http://a:1\"}, {url: \"http://[::1]:2\"}]}]");
    CHECK(settings.instance != "");
    CHECK(settings.pools[0].cluster.name == "default");
    CHECK(settings.pools[0].cluster.backends[0].id == "a:1");
    CHECK(settings.pools[0].cluster.backends[1].id == "[::1]:2");
  }

  TEST_CASE("nothing configured is told as such") {
    for (const char* text : {"", "# only a comment\n", "workers: 2", "pools:", "pools: []", "{}"}) {
      CAPTURE(text);
      CHECK(complaints(text).find("nothing configured: pools[].backends is missing") !=
            std::string::npos);
    }
  }

  TEST_CASE("rules across keys") {
    const std::string b = "backends: [{url: \"http://h:1\"}]";
    struct Case {
      std::string text;
      const char* complaint;
    };
    const Case cases[] = {
        {"pools: [{name: a}]", "1:9: pools[0].backends needs at least one backend"},
        {"pools: [{backends: }]", "1:10: pools[0].backends needs at least one backend"},
        {"pools:\n  -\n", "2:3: pools[0].backends needs at least one backend"},
        {"pools: [{backends: [{weight: 2}]}]", "1:21: pools[0].backends[0] needs a url"},
        {"pools: [{" + b + "}, {name: b, routes: [{path: /b}], " + b + "}]",
         "1:9: pools[0] needs a name, because there are several pools"},
        {"pools: [{name: x, " + b + "}, {name: x, routes: [{path: /b}], " + b + "}]",
         "1:60: the pool name \"x\" is used twice: pools[0].name has it, too"},
        {"pools: [{backends: [{url: \"http://h:1\"}, {url: \"http://h:1/\"}]}]",
         "1:48: the backend id \"h:1\" is used twice: pools[0].backends[0].url has it, too"},
        {"pools: [{backends: [{url: \"http://h:1\", id: x}, {url: \"http://h:2\", id: x}]}]",
         "1:73: the backend id \"x\" is used twice: pools[0].backends[0].id has it, too"},
        {"pools: [{routes: [{listener: other}], " + b + "}]",
         "1:30: pools[0].routes[0].listener: there is no listener \"other\""},
        {"pools: [{routes: [], " + b + "}]", "1:18: pools[0].routes needs a route"},
        {"listeners: []\n" + one_pool, "1:12: listeners needs at least one"},
        {"listeners: [{address: \"a:1\"}, {address: \"a:2\"}]\n" + one_pool,
         "1:31: the listener name \"main\" is used twice: listeners[0].name has it, too"},
        {"listeners: [{address: \"a:1\"}, {address: \"a:1\", name: b}]\n" + one_pool,
         "1:41: the address \"a:1\" is used twice: listeners[0].address has it, too"},
        {"admin: {address: \"127.0.0.1:8080\"}\n" + one_pool,
         "1:18: the address \"127.0.0.1:8080\" is used twice: listeners[0].address has it, too"},
        {"admin: {address: \"0.0.0.0:9180\"}\n" + one_pool,
         "1:18: admin.address \"0.0.0.0:9180\" can be reached from other machines: set "
         "admin.token"},
    };
    for (const Case& each : cases) {
      CAPTURE(each.text);
      CHECK(complaints(each.text) == each.complaint);
    }
  }

  TEST_CASE("an admin listener with a token may be anywhere") {
    settings_of("admin: {address: \"[::]:9180\", token: x}\n" + one_pool);
  }

  TEST_CASE("port 0 may be used more than once") {
    settings_of(
        "listeners: [{address: \"127.0.0.1:0\"}, {address: \"127.0.0.1:0\", name: b}]\n"
        "admin: {address: \"127.0.0.1:0\"}\n" +
        one_pool);
  }

  TEST_CASE("a wrong url is told once") {
    CHECK(complaints("pools: [{backends: [{url: nonsense}]}]") ==
          "1:27: pools[0].backends[0].url: wants a URL: http://host:port "
            "or https://host:port");
  }

  TEST_CASE("equal routes are refused, because the second would never be reached") {
    const Outcome outcome = loaded(
        "pools: [{name: a, backends: [{url: \"http://h\"}]}, "
        "{name: b, backends: [{url: \"http://h\"}]}]");
    CHECK(complaints(outcome) ==
          "1:51: pools[1].routes[0] matches the same requests as pools[0].routes[0]");
  }
}

}  // namespace mcplb::config
