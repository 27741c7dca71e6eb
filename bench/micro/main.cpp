// mcplb_micro: what single steps of a request cost.
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "micro/measure.hpp"

namespace {

void print_json(const mcplb::bench::Bench& bench) {
  auto out = nlohmann::ordered_json::array();
  for (const auto& one : bench.all()) {
    out.push_back({{"name", one.name},
                   {"unit", one.unit},
                   {"median", one.median},
                   {"min", one.least},
                   {"max", one.most},
                   {"allocations", one.allocations}});
  }
  std::fprintf(stdout, "%s\n", out.dump().c_str());
}

void print_table(const mcplb::bench::Bench& bench) {
  std::fprintf(stdout, "%-42s %10s %-5s %10s %10s %12s\n", "operation", "median", "", "min", "max",
               "allocations");
  for (const auto& one : bench.all()) {
    std::fprintf(stdout, "%-42s %10.1f %-5s %10.1f %10.1f %12.2f\n", one.name.c_str(), one.median,
                 one.unit.c_str(), one.least, one.most, one.allocations);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string filter;
  bool json = false;
  CLI::App app{"What single steps of a request cost: time, and what they take from the heap"};
  app.add_option("--filter", filter, "only what has this in its name");
  app.add_flag("--json", json, "for machines");
  CLI11_PARSE(app, argc, argv);

  mcplb::bench::Bench bench(filter);
  mcplb::bench::measure_http(bench);
  mcplb::bench::measure_mcp(bench);
  mcplb::bench::measure_balancers(bench);
  mcplb::bench::measure_directory(bench);
  if (bench.all().empty()) std::fprintf(stderr, "nothing has \"%s\" in its name\n", filter.c_str());
  if (json) print_json(bench);
  else print_table(bench);
  return bench.all().empty() ? 1 : 0;
}
