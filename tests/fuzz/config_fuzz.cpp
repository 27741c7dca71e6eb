// Any bytes are a configuration: they load or they are refused, and what loads prints as YAML
// that loads to the same settings.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mcplb/config/config.hpp"

namespace {

std::optional<std::string> variable(const std::string& name) {
  if (name == "UNSET") return std::nullopt;
  return "value of " + name;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mcplb::config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome outcome = load_text("fuzz", text, variable);
  if (!outcome.ok()) {
    for (const Problem& problem : outcome.problems) {
      if (to_string(problem).empty()) std::abort();
    }
    return 0;
  }
  const std::string printed = print_effective(outcome.loaded.settings);
  const Outcome again = load_text("again", printed, variable);
  if (!again.ok() || print_effective(again.loaded.settings) != printed) std::abort();
  return 0;
}
