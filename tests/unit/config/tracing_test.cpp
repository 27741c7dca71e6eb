// Where spans go: the URL is checked, the ratio is a number from 0 to 1.
#include "config/print.hpp"
#include "config/values.hpp"

#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

std::string with_tracing(const std::string& keys) {
  return one_pool + "tracing: {" + keys + "}";
}

std::uint32_t millionths(const std::string& ratio) {
  return settings_of(with_tracing("sample_ratio: " + ratio)).tracing.sample_millionths;
}

}  // namespace

TEST_SUITE("config/tracing") {
  TEST_CASE("tracing is off by default, and then of everything") {
    const Settings settings = settings_of(one_pool);
    CHECK(settings.tracing.otlp_endpoint.empty());
    CHECK(settings.tracing.sample_millionths == 1'000'000);
  }

  TEST_CASE("a wrong URL is told at its place, without its password") {
    CHECK(settings_of(with_tracing("otlp_endpoint: \"http://c:4318/x\"")).tracing.otlp_endpoint ==
          "http://c:4318/x");
    CHECK(complaints(with_tracing("otlp_endpoint: \"collector:4318\"")) ==
          "2:26: tracing.otlp_endpoint: wants a URL: http://host:4318 or https://host:4318");
    CHECK(complaints(with_tracing("otlp_endpoint: \"http://c:99999\"")) ==
          "2:26: tracing.otlp_endpoint: \"99999\" is no port from 1 to 65535");
    const std::string secret = complaints(with_tracing("otlp_endpoint: \"http://a:hunter2@c\""));
    CHECK(secret.find("must not contain a user or password") != std::string::npos);
    CHECK(secret.find("hunter2") == std::string::npos);
  }

  TEST_CASE("a ratio has up to six digits behind its point") {
    CHECK(millionths("1") == 1'000'000);
    CHECK(millionths("1.0") == 1'000'000);
    CHECK(millionths("0") == 0);
    CHECK(millionths("0.25") == 250'000);
    CHECK(millionths("0.000001") == 1);
    for (const std::string wrong :
         {"2", "1.000001", "-1", "0.0000001", ".5", "1.", "50%", "1e-3", "x", "\"\"", "0.x"}) {
      CAPTURE(wrong);
      const std::string text = complaints(with_tracing("sample_ratio: " + wrong));
      CHECK(text.find("tracing.sample_ratio: ") != std::string::npos);
      CHECK(text.find("0.0 to 1.0") != std::string::npos);
    }
  }

  TEST_CASE("what is printed of a ratio loads to the same") {
    for (const std::string ratio : {"0.0", "1.0", "0.25", "0.000001"}) {
      const Settings settings = settings_of(with_tracing("sample_ratio: " + ratio));
      const std::string printed = print_effective(settings);
      CHECK(printed.find("sample_ratio: " + ratio + "\n") != std::string::npos);
      CHECK(settings_of(printed).tracing.sample_millionths == settings.tracing.sample_millionths);
    }
  }

  TEST_CASE("the ratio may change while the process serves, the endpoint may not") {
    const Settings running = settings_of(with_tracing("otlp_endpoint: \"http://c:1\""));
    const Settings other = settings_of(
        with_tracing("otlp_endpoint: \"http://c:1\", sample_ratio: 0.5"));
    CHECK(differences(running, other).refused.empty());
    CHECK(differences(running, other).keys == std::vector<std::string>{"tracing.sample_ratio"});
    const Differences found = differences(running, settings_of(one_pool));
    REQUIRE(found.refused.size() == 1);
    CHECK(found.refused[0].key == "tracing.otlp_endpoint");
  }
}

}  // namespace mcplb::config
