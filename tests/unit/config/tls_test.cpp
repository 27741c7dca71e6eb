#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

const std::string backend = "pools: [{backends: [{url: \"http://h\"}]}]\n";

std::string listener(const std::string& tls) {
  return backend + "listeners: [{tls: " + tls + "}]";
}

std::string pool_of(const std::string& keys) {
  return "pools: [{backends: [{" + keys + "}]}]";
}

}  // namespace

TEST_SUITE("config/tls") {
  TEST_CASE("a listener has one pair, a list of pairs, both, or none") {
    const Outcome one = loaded(listener("{certificate: a.pem, key: a.key, min_version: \"1.3\"}"));
    REQUIRE(complaints(one) == "");
    const net::TlsServerSettings& tls = one.loaded.settings.listeners[0].tls;
    CHECK(tls.certificate == "a.pem");
    CHECK(tls.key == "a.key");
    CHECK(tls.min_version == net::TlsServerSettings::Version::v1_3);
    CHECK(tls.enabled());
    const Outcome list = loaded(listener("{certificates: [{certificate: b.pem, key: b.key}]}"));
    REQUIRE(complaints(list) == "");
    CHECK(list.loaded.settings.listeners[0].tls.certificates[0].key == "b.key");
    CHECK(list.loaded.settings.listeners[0].tls.enabled());
    CHECK(!loaded(listener("{}")).loaded.settings.listeners[0].tls.enabled());
  }

  TEST_CASE("a certificate needs its key, a key its certificate, and 1.3 needs both") {
    CHECK(complaints(listener("{certificate: a}")) == "2:19: listeners[0].tls needs a key, too");
    CHECK(complaints(listener("{key: a}")) == "2:19: listeners[0].tls needs a certificate, too");
    CHECK(complaints(listener("{min_version: \"1.3\"}")) ==
          "2:19: listeners[0].tls needs a certificate and a key");
    CHECK(complaints(listener("{certificates: [{certificate: a, key: b}, {}]}")) ==
          "2:61: listeners[0].tls.certificates[1] needs a certificate and a key");
    CHECK(complaints(listener("{certificates: [{key: b}]}")) ==
          "2:35: listeners[0].tls.certificates[0] needs a certificate, too");
  }

  TEST_CASE("an https backend has port 443 and may be verified in its own way") {
    const Outcome outcome = loaded(pool_of("url: \"https://h\", tls: {ca: ca.pem, verify: false}"));
    REQUIRE(complaints(outcome) == "");
    const cluster::BackendSettings& one = outcome.loaded.settings.pools[0].cluster.backends[0];
    CHECK(one.https);
    CHECK(one.port == 443);
    CHECK(one.id == "h:443");
    CHECK(one.tls.ca == "ca.pem");
    CHECK(!one.tls.verify);
    CHECK(print_effective(outcome.loaded.settings).find("url: \"https://h:443\"") !=
          std::string::npos);
  }

  TEST_CASE("tls at a backend without https is a mistake") {
    CHECK(complaints(pool_of("url: \"http://h\", tls: {ca: ca.pem}"))
              .find("pools[0].backends[0].tls is for https:// URLs") != std::string::npos);
    CHECK(complaints(pool_of("url: \"https://h\", tls: {certificate: a.pem}"))
              .find("pools[0].backends[0].tls needs a key, too") != std::string::npos);
  }
}

}  // namespace mcplb::config
