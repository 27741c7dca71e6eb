// The shared store: its URL is checked, and its password never shown.
#include "config/print.hpp"

#include <algorithm>

#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

std::string with_store(std::string_view keys) {
  return one_pool + "store: {redis: {" + std::string(keys) + "}}";
}

}  // namespace

TEST_SUITE("config/store") {
  TEST_CASE("a url makes a store, with defaults for the rest") {
    const Settings settings = settings_of(with_store("url: \"redis://me:pw@h:1/2\""));
    REQUIRE(settings.store);
    CHECK(settings.store->url.endpoints.front().text() == "h:1");
    CHECK(settings.store->url.password == "pw");
    CHECK(settings.store->url.db == 2);
    CHECK(settings.store->prefix == "mcplb");
    CHECK(settings.store->timeout == milliseconds(250));
  }

  TEST_CASE("keys count in any order") {
    const Settings settings =
        settings_of(with_store("prefix: x, timeout: 1s, url: \"redis+sentinel://s/main\""));
    REQUIRE(settings.store);
    CHECK(settings.store->url.master == "main");
    CHECK(settings.store->prefix == "x");
    CHECK(settings.store->timeout == milliseconds(1000));
  }

  TEST_CASE("without a url there is no store") {
    CHECK_FALSE(settings_of(one_pool).store);
    CHECK_FALSE(settings_of(one_pool + "store: {}").store);
    CHECK_FALSE(settings_of(with_store("url: \"${REDIS_URL:-}\", prefix: x")).store);
  }

  TEST_CASE("a wrong url is told at its place and not repeated") {
    CHECK(complaints(with_store("url: \"redis://:hunter2@h:x\"")) ==
          "2:22: store.redis.url: the URL has a port outside of 1 to 65535");
    CHECK(complaints(with_store("url: hunter2")).find("hunter2") == std::string::npos);
    CHECK(complaints(with_store("prefix: \"a b\"")) ==
          "2:25: store.redis.prefix: \"a b\" is no prefix of keys: visible ASCII characters, at "
          "most 255");
    CHECK(complaints(with_store("prefix: \"\"")) != "");
  }

  TEST_CASE("a store that is met with TLS is verified, and in its own way if that is wanted") {
    const Settings plain = settings_of(with_store("url: \"rediss://h\""));
    REQUIRE(plain.store);
    CHECK(plain.store->url.uses_tls());
    CHECK(plain.store->tls.verify);
    CHECK(plain.store->tls.ca.empty());
    CHECK(plain.store->tls.alpn.empty());
    const Settings own = settings_of(with_store(
        "url: \"rediss://h\", tls: {ca: ca.pem, verify: false, certificate: c.pem, key: c.key}"));
    REQUIRE(own.store);
    CHECK(own.store->tls.ca == "ca.pem");
    CHECK_FALSE(own.store->tls.verify);
    CHECK(own.store->tls.certificate == "c.pem");
    CHECK(own.store->tls.key == "c.key");
  }

  TEST_CASE("tls at a store without rediss is a mistake, and so is half a pair") {
    CHECK(complaints(with_store("url: \"redis://h\", tls: {ca: ca.pem}"))
              .find("store.redis.tls is for rediss:// URLs") != std::string::npos);
    CHECK(complaints(with_store("url: \"redis://h\", tls: {verify: false}")) != "");
    CHECK(complaints(with_store("url: \"rediss://h\", tls: {key: c.key}"))
              .find("store.redis.tls needs a certificate, too") != std::string::npos);
    CHECK(complaints(with_store("url: \"redis://h\", tls: {}")) == "");
  }

  TEST_CASE("the printed url has no password and loads again") {
    const std::string printed =
        print_effective(settings_of(with_store("url: \"redis://me:hunter2@h/2\"")));
    CHECK(printed.find("hunter2") == std::string::npos);
    CHECK(printed.find("url: \"redis://me:***@h:6379/2\"") != std::string::npos);
    CHECK(print_effective(settings_of(printed)) == printed);
  }

  TEST_CASE("a store has no note") {
    const Outcome outcome = loaded(with_store("url: \"redis://h\""));
    for (const std::string& note : outcome.loaded.notes)
      CHECK(note.find("store") == std::string::npos);
  }
}

}  // namespace mcplb::config
