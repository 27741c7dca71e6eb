#include "micro/measure.hpp"

#include <algorithm>
#include <chrono>

#include "micro/allocations.hpp"

namespace mcplb::bench {
namespace {

constexpr int rounds = 15;

double now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::nano>(now).count();
}

}  // namespace

void Bench::time(std::string_view name, std::uint64_t operations,
                 const std::function<void(std::uint64_t)>& operation) {
  if (!wanted(name)) return;
  // Caches and buffers are warm before the first round.
  for (std::uint64_t i = 0; i < operations / 10 + 1; ++i) operation(i);
  const auto count = static_cast<double>(operations);
  std::vector<double> ns;
  const std::uint64_t allocations = heap_use().allocations;
  std::uint64_t ours = 0;  // allocations of the measuring itself
  for (int round = 0; round < rounds; ++round) {
    const double begin = now_ns();
    for (std::uint64_t i = 0; i < operations; ++i) operation(i);
    const double end = now_ns();
    const std::uint64_t before = heap_use().allocations;
    ns.push_back((end - begin) / count);
    ours += heap_use().allocations - before;
  }
  const std::uint64_t theirs = heap_use().allocations - allocations - ours;
  std::sort(ns.begin(), ns.end());
  Measured measured;
  measured.name = name;
  measured.median = ns[rounds / 2];
  measured.least = ns.front();
  measured.most = ns.back();
  measured.allocations = static_cast<double>(theirs) / (count * rounds);
  note(std::move(measured));
}

}  // namespace mcplb::bench
