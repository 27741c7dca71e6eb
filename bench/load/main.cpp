// mcplb_load: a load generator that speaks MCP. See bench/load/README.md.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "load/lead.hpp"
#include "load/scenario.hpp"
#include "load/tally.hpp"

namespace {

// "-" is standard input.
bool read_file(const std::string& path, std::string& out) {
  std::ostringstream text;
  std::ifstream file;
  if (path != "-") file.open(path);
  std::istream& in = path == "-" ? std::cin : file;
  if (!in) return false;
  text << in.rdbuf();
  out = text.str();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::string path;
  std::string url;
  double seconds = 0;
  std::vector<std::string> changes;
  CLI::App app{"A load generator that speaks MCP; prints one JSON object"};
  app.add_option("SCENARIO", path, "the scenario's file; -: standard input")->required();
  app.add_option("--url", url, "instead of the scenario's");
  app.add_option("--seconds", seconds, "instead of the scenario's");
  app.add_option("--set", changes, "KEY=JSON instead of the scenario's; may be given again");
  CLI11_PARSE(app, argc, argv);

  if (!url.empty()) changes.push_back("url=" + nlohmann::json(url).dump());
  if (seconds > 0) changes.push_back("seconds=" + nlohmann::json(seconds).dump());
  std::string text;
  if (!read_file(path, text)) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    return 2;
  }
  const auto read = mcplb::bench::read_scenario(text, changes);
  if (!read.scenario) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), read.error.c_str());
    return 2;
  }
  const mcplb::bench::Run run = mcplb::bench::run(*read.scenario);
  if (!run.error.empty()) {
    std::fprintf(stderr, "%s\n", run.error.c_str());
    return 1;
  }
  const std::string report = mcplb::bench::to_json(run.tally, read.scenario->seconds);
  std::fprintf(stdout, "%s\n", report.c_str());
  return 0;
}
