#include "config/print.hpp"

#include "unit/config/loading.hpp"

namespace mcplb::config {

TEST_SUITE("config/print") {
  TEST_CASE("what is printed loads to the same settings") {
    const Settings settings = settings_of(R"(
instance: "5"
trusted_proxies: ["::1", 10.0.0.0/8]
log: {access: "/tmp/a: #\u00e9$$\t\"x\"", level: error}
workers: 3
pools:
  - name: "on"
    hash_on: cookie:a
    routes: [{host: "*.x"}, {path: /a%20b}]
    backends: [{url: "http://[::1]:1"}, {url: "http://b", id: "1.5"}]
  - {name: "no", backends: [{url: "http://c"}]}
)");
    const std::string printed = print_effective(settings);
    CAPTURE(printed);
    CHECK(print_effective(settings_of(printed)) == printed);
    CHECK(settings_of(printed).log.access == "/tmp/a: #\u00e9$\t\"x\"");
    CHECK(settings_of(printed).instance == "5");
  }

  TEST_CASE("secrets are masked and empty ones are not") {
    const std::string printed = print_effective(
        settings_of("secrets: [hunter2-hunter2-hunter2, hunter3-hunter3-hunter3]\n"
                    "admin: {token: hunter4}\n" +
                    one_pool));
    CHECK(printed.find("hunter") == std::string::npos);
    CHECK(printed.find("secrets: [\"***\", \"***\"]") != std::string::npos);
    CHECK(printed.find("token: \"***\"") != std::string::npos);
    CHECK(complaints(printed).find("too short to be a secret") != std::string::npos);
    CHECK(print_effective(settings_of(one_pool)).find("token: \"\"") != std::string::npos);
  }
}

}  // namespace mcplb::config
