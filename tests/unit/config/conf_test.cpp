// The files in conf/ and the code tell the same. MCPLB_UPDATE_CONF=1 rewrites the made ones.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "config/print.hpp"
#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  REQUIRE_MESSAGE(stream.good(), path << " is not there: run from the project's root");
  return {std::istreambuf_iterator<char>(stream), {}};
}

void equals_file(const std::string& path, const std::string& wanted) {
  if (std::getenv("MCPLB_UPDATE_CONF") != nullptr) std::ofstream(path, std::ios::binary) << wanted;
  CHECK_MESSAGE(content_of(path) == wanted, path << " differs: see src/config/README.md");
}

}  // namespace

TEST_SUITE("config/conf") {
  TEST_CASE("every-key.yaml is made from the schema") {
    equals_file("conf/every-key.yaml", every_key_example());
  }

  TEST_CASE("mcplb.schema.json is made from the schema") {
    equals_file("conf/mcplb.schema.json", json_schema());
  }

  TEST_CASE("every-key.yaml changes nothing") {
    const Settings written = settings_of(every_key_example());
    const Settings defaults = settings_of(one_pool);
    CHECK(print_effective(written) == print_effective(defaults));
  }

  TEST_CASE("every line of every-key.yaml fits") {
    const std::string text = every_key_example();
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      CHECK(end - begin <= 100);
      begin = end + 1;
    }
  }

  TEST_CASE("the examples load") {
    for (const char* path : {"conf/mcplb.yaml", "conf/minimal.yaml", "conf/every-key.yaml"}) {
      const Outcome outcome = load_text(path, content_of(path), environment_of({}));
      CAPTURE(path);
      CHECK(complaints(outcome) == "");
    }
  }
}

}  // namespace mcplb::config
