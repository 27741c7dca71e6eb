#include <algorithm>

#include "config/schema.hpp"
#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

Settings with(const std::string& more, const std::string& pools = one_pool) {
  return settings_of(more + pools);
}

std::string keys_of(const Differences& found) {
  std::string out;
  for (const std::string& key : found.keys) out += (out.empty() ? "" : " ") + key;
  return out;
}

std::string refused_of(const Differences& found) {
  std::string out;
  for (const Differences::Refused& refused : found.refused) {
    out += (out.empty() ? "" : "\n") + refused.message;
  }
  return out;
}

std::string pool(const std::string& name, const std::string& more = "") {
  return "  - name: " + name + "\n    routes: [{path: /" + name + "}]\n" + more +
         "    backends: [{url: \"http://127.0.0.1:3001\"}]\n";
}

}  // namespace

TEST_SUITE("config/differences") {
  TEST_CASE("the same configuration differs in nothing") {
    const Differences found = differences(with("workers: 3\n"), with("workers: 3\n"));
    CHECK(keys_of(found) == "");
    CHECK(refused_of(found) == "");
  }

  TEST_CASE("what may change is named") {
    const Settings before = with("");
    CHECK(keys_of(differences(before, with("log: {level: debug}\n"))) == "log.level");
    CHECK(keys_of(differences(before, with("secrets: [0123456789abcdef0123456789abcdef]\n"))) ==
          "secrets");
    CHECK(keys_of(differences(before, with("shutdown_delay: 3s\nlimits: {headers_max: 7}\n"))) ==
          "limits.headers_max shutdown_delay");
    const Settings two = with("", "pools: [{backends: [{url: \"http://127.0.0.1:3001\"}, "
                                  "{url: \"http://127.0.0.1:3002\"}], retries: 1}]\n");
    const Differences found = differences(before, two);
    CHECK(keys_of(found) == "pools[default].retries pools[default].backends");
    CHECK(refused_of(found) == "");
  }

  TEST_CASE("what may not change is refused, with both values") {
    const Settings before = with("listeners: [{address: \"127.0.0.1:1\"}]\n");
    const auto refused = [&](const std::string& more) {
      return refused_of(differences(before, with(more)));
    };
    CHECK(refused("listeners: [{address: \"127.0.0.1:2\"}]\n") ==
          "listeners[0].address: \"127.0.0.1:1\" cannot become \"127.0.0.1:2\" without a restart");
    CHECK(refused("listeners: [{address: \"127.0.0.1:1\"}, {address: \"127.0.0.1:2\", name: b}]\n")
          == "listeners: 1 of them cannot become 2 without a restart");
    CHECK(refused("listeners: [{address: \"127.0.0.1:1\"}]\nworkers: 2\ninstance: x\n")
              .find("workers: auto cannot become 2 without a restart") != std::string::npos);
    CHECK(refused("listeners: [{address: \"127.0.0.1:1\"}]\nlimits: {head_bytes_max: 32KiB}\n") ==
          "limits.head_bytes_max: 64KiB cannot become 32KiB without a restart");
  }

  TEST_CASE("secrets differ without being shown") {
    const Settings before = with("admin: {token: old-token}\n");
    CHECK(refused_of(differences(before, with("admin: {token: new-token}\n"))) ==
          "admin.token: \"***\" cannot become another without a restart");
    const Settings store = with("store: {redis: {url: \"redis://u:one@127.0.0.1/0\"}}\n");
    const Differences found =
        differences(store, with("store: {redis: {url: \"redis://u:two@127.0.0.1/0\"}}\n"));
    REQUIRE(found.refused.size() == 1);
    CHECK(found.refused[0].key == "store.redis.url");
    CHECK(found.refused[0].message.find("one") == std::string::npos);
    CHECK(found.refused[0].message.find("two") == std::string::npos);
  }

  TEST_CASE("certificates may change, whether there is TLS may not") {
    const std::string listener = "listeners:\n  - address: \"127.0.0.1:1\"\n";
    const Settings plain = with(listener);
    const Settings one = with(listener + "    tls: {certificate: a.pem, key: a.key}\n");
    const Settings two = with(listener + "    tls: {certificate: b.pem, key: b.key}\n");
    CHECK(refused_of(differences(plain, one)) ==
          "listeners[0].tls: plain HTTP cannot become TLS without a restart");
    CHECK(refused_of(differences(one, plain)) ==
          "listeners[0].tls: TLS cannot become plain HTTP without a restart");
    CHECK(refused_of(differences(one, two)) == "");
    CHECK(keys_of(differences(one, two)) ==
          "listeners[0].tls.certificate listeners[0].tls.key");
  }

  TEST_CASE("pools go by their name, wherever they stand") {
    const Settings before = with("", "pools:\n" + pool("a") + pool("b", "    retries: 1\n"));
    const Settings turned = with("", "pools:\n" + pool("b", "    retries: 1\n") + pool("a"));
    CHECK(keys_of(differences(before, turned)) == "");
    const Settings other = with("", "pools:\n" + pool("c") + pool("b"));
    CHECK(keys_of(differences(before, other)) == "pools[a] pools[b].retries pools[c]");
    CHECK(refused_of(differences(before, other)) == "");
  }

  TEST_CASE("how a pool tells sessions apart stays") {
    const std::string secrets = "secrets: [0123456789abcdef0123456789abcdef]\n";
    const Settings before = with(secrets, "pools:\n" + pool("a"));
    const Settings sealed =
        with(secrets, "pools:\n" + pool("a", "    sessions: {identity: sealed}\n"));
    CHECK(refused_of(differences(before, sealed)) ==
          "pools[a].sessions.identity: learned cannot become sealed without a restart");
    const Settings bound =
        with(secrets, "pools:\n" + pool("a", "    sessions: {bind: authorization}\n"));
    CHECK(refused_of(differences(before, bound)) ==
          "pools[a].sessions.bind: none cannot become authorization without a restart");
  }
}

}  // namespace mcplb::config
