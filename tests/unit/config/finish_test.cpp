#include <algorithm>

#include "config/finish.hpp"

#include "mcplb/base/limits.hpp"

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

  TEST_CASE("where backends register, none need be configured") {
    const Settings settings = settings_of(
        "pools: [{name: p}]\nregistration: {enabled: true, node_timeout: 3s}");
    CHECK(settings.registration.enabled);
    CHECK(settings.registration.node_timeout == milliseconds(3000));
    CHECK(settings.registration.cleanup_interval == milliseconds(30'000));
    CHECK(settings.pools[0].cluster.backends.empty());
    CHECK(complaints("pools: [{name: p}]\nregistration: {enabled: false}")
              .find("needs at least one backend") != std::string::npos);
  }

  TEST_CASE("a backend that announces itself is read like one in the file") {
    cluster::BackendSettings backend;
    std::string url = "HTTPS://[::1]:3000/";
    CHECK(read_backend("a:1", url, backend) == "");
    CHECK(url == "https://[::1]:3000");
    CHECK(backend.id == "a:1");
    CHECK(backend.host == "::1");
    CHECK(backend.port == 3000);
    CHECK(backend.https);
    CHECK(read_backend("a/b", url, backend).starts_with("id \"a/b\" is no name"));
    url = "http://h/path";
    CHECK(read_backend("a", url, backend).starts_with("url \"/path\" does not belong here"));
    url = "h:1";
    CHECK(read_backend("a", url, backend).starts_with("url wants a URL"));
  }

  TEST_CASE("sealed ids and bindings want what they need") {
    const auto pool = [](const std::string& sessions) {
      return "pools: [{backends: [{url: \"http://h:1\"}], sessions: {" + sessions + "}}]\n";
    };
    const std::string secret = "secrets: [\"${SECRET:-0123456789abcdef}\"]\n";
    for (const char* without : {"", "secrets: []\n", "secrets:\n"}) {
      CAPTURE(without);
      CHECK(complaints(pool("identity: sealed") + without) ==
            "1:64: pools[0].sessions.identity: sealed needs secrets: [\"…\"] (the same for all "
            "balancers; `openssl rand -hex 32` makes one)");
    }
    const Settings sealed = settings_of(secret + pool("identity: sealed, bind: authorization"));
    CHECK(sealed.pools[0].sessions.identity == session::Identity::sealed);
    CHECK(sealed.pools[0].sessions.bind == session::Bind::authorization);
    CHECK(complaints(pool("identity: sealed") + "secrets: [short]") ==
          "2:11: secrets[0]: is too short to be a secret: at least 16 characters, as `openssl rand "
          "-hex 32` makes them");
    CHECK(complaints(pool("identity: none, bind: authorization"))
              .find("pools[0].sessions.bind: authorization binds nothing with identity: none") !=
          std::string::npos);
    CHECK(complaints(pool("on_unknown: forward, bind: authorization"))
              .find("pools[0].sessions.bind: authorization cannot hold with on_unknown: forward") !=
          std::string::npos);
    std::string many = pool("identity: sealed") + "secrets: [";
    for (std::size_t i = 0; i <= limits::secrets_max; ++i)
      many += "0123456789abcdef, ";
    CHECK(complaints(many + "]") == "2:10: secrets has more than 8: each is tried on every id");
  }

  TEST_CASE("a binding without secrets is told to end with the process") {
    const auto notes = [](const std::string& more) {
      const Outcome outcome =
          loaded("pools: [{backends: [{url: \"http://h:1\"}], drain: {timeout: 0s}, sessions: "
                 "{on_backend_loss: not_found, on_unknown: not_found, delete_on_expiry: false" +
                 more);
      CHECK(complaints(outcome) == "");
      return outcome.loaded.notes;
    };
    CHECK(notes("}}]").empty());
    const std::string secret = "\nsecrets: [0123456789abcdef]";
    const std::string store = "\nstore: {redis: {url: \"redis://h\"}}";
    CHECK(notes(", bind: authorization, identity: sealed}}]" + secret).empty());
    CHECK(notes(", bind: authorization}}]" + secret + store).empty());
    CHECK(notes(", bind: authorization}}]" + secret) ==
          std::vector<std::string>{
              "pools[0].sessions.bind: no backend is asked for a bound session: without a store, "
              "or identity: sealed, a restart loses its sessions"});
    CHECK(notes(", bind: authorization}}]") ==
          std::vector<std::string>{
              "pools[0].sessions.bind: without secrets, bindings hold in this process only: after "
              "a restart, and for other balancers, its sessions are unknown"});
  }

  TEST_CASE("sealed ids that may move want a store") {
    const auto warned = [](const std::string& more) {
      const Outcome outcome =
          loaded("pools: [{backends: [{url: \"http://h:1\"}], sessions: {identity: sealed}}]\n"
                 "secrets: [0123456789abcdef]\n" +
                 more);
      CHECK(complaints(outcome) == "");
      const auto& notes = outcome.loaded.notes;
      return std::count_if(notes.begin(), notes.end(), [](const std::string& note) {
        return note.find("the seal of a moved session still names") != std::string::npos;
      });
    };
    CHECK(warned("") == 1);
    CHECK(warned("store: {redis: {url: \"redis://h\"}}") == 0);
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
        {"pools: [{backends: [{weight: 2}]}]", "1:21: pools[0].backends[0] needs a url or dns"},
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
