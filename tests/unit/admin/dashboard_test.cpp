#include "admin/dashboard.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include "mcplb/admin/admin.hpp"
#include "mcplb/base/limits.hpp"

#include "unit/demo/asked.hpp"

namespace mcplb::admin {
namespace {

struct Fixture {
  net::Loop loop{limits::buffer_block_bytes};
  Admin admin{with_token(), View{}};

  static Settings with_token() {
    Settings settings;
    settings.token = "secret";
    return settings;
  }
  test::Asked ask(const std::string& line) {
    return test::Asked(loop, admin, line + " HTTP/1.1\r\n");
  }
};

// As Content-Security-Policy names it.
std::string hash_of(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  REQUIRE(EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr) == 1);
  unsigned char encoded[2 * EVP_MAX_MD_SIZE];
  const int bytes = EVP_EncodeBlock(encoded, digest, static_cast<int>(length));
  return "'sha256-" + std::string(encoded, encoded + bytes) + "'";
}

// What stands between each `<tag …>` and its end.
std::vector<std::string_view> blocks(std::string_view page, const std::string& tag) {
  std::vector<std::string_view> found;
  for (std::size_t at = page.find("<" + tag); at != std::string_view::npos;
       at = page.find("<" + tag, at + 1)) {
    const std::size_t begin = page.find('>', at) + 1;
    found.push_back(page.substr(begin, page.find("</" + tag, begin) - begin));
  }
  return found;
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
    ++count;
  return count;
}

TEST_SUITE("admin/dashboard") {
  TEST_CASE("the page needs no token, and says what browsers may do with it") {
    Fixture fixture;
    auto page = fixture.ask("GET /");
    CHECK(page.status() == 200);
    CHECK(page.field("Content-Type") == "text/html; charset=utf-8");
    CHECK(page.field("Content-Security-Policy") == dashboard_policy);
    CHECK(page.field("X-Content-Type-Options") == "nosniff");
    CHECK(page.field("Referrer-Policy") == "no-referrer");
    CHECK(page.field("Cache-Control") == "no-cache");
    CHECK(page.body() == dashboard_page);
  }

  TEST_CASE("HEAD has the head of the page and no body") {
    Fixture fixture;
    auto head = fixture.ask("HEAD /");
    CHECK(head.status() == 200);
    CHECK(head.field("Content-Length") == std::to_string(dashboard_page.size()));
    CHECK(head.body().empty());
    CHECK(fixture.ask("POST /").status() == 405);
  }

  TEST_CASE("the policy allows the inline style and script of this page, and nothing else") {
    const auto styles = blocks(dashboard_page, "style");
    const auto scripts = blocks(dashboard_page, "script");
    REQUIRE(styles.size() == 1);
    REQUIRE(scripts.size() == 1);
    CHECK(dashboard_policy == "default-src 'none'; script-src " + hash_of(scripts.front()) +
                                  "; style-src " + hash_of(styles.front()) +
                                  "; connect-src 'self'; img-src data:; base-uri 'none'; "
                                  "form-action 'none'; frame-ancestors 'none'");
  }

  TEST_CASE("the page fetches nothing from elsewhere and holds nothing that its policy refuses") {
    const std::string page(dashboard_page);
    for (const char* refused : {" src=", " style=", " onclick=", " onload=", "innerHTML",
                                "outerHTML", "insertAdjacentHTML", "document.write", "eval("}) {
      CAPTURE(refused);
      CHECK(count_of(page, refused) == 0);
    }
    // Names of namespaces, and the protocol that is left out of an address on the page.
    CHECK(count_of(page, "https://") == 0);
    CHECK(count_of(page, "http://") == count_of(page, "http://www.w3.org/2000/svg"));
  }
}

}  // namespace
}  // namespace mcplb::admin
