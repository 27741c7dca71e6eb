// Short words for loading a text in a test.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "mcplb/config/config.hpp"

namespace mcplb::config {

inline const std::string one_pool = "pools: [{backends: [{url: \"http://127.0.0.1:3001\"}]}]\n";

inline Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

inline Outcome loaded(std::string_view text, const Environment& environment = environment_of({})) {
  return load_text("f.yaml", text, environment);
}

// All problems, one a line, without the file's name.
inline std::string complaints(const Outcome& outcome) {
  std::string out;
  for (const Problem& problem : outcome.problems) {
    if (!out.empty()) out += '\n';
    const std::string text = to_string(problem);
    out += text.rfind("f.yaml:", 0) == 0 ? text.substr(7) : text;
  }
  return out;
}
inline std::string complaints(std::string_view text) {
  return complaints(loaded(text));
}

inline Settings settings_of(const Outcome& outcome) {
  REQUIRE(complaints(outcome) == "");
  return outcome.loaded.settings;
}
inline Settings settings_of(std::string_view text) {
  return settings_of(loaded(text));
}

}  // namespace mcplb::config
