// Times small operations: a fixed number of rounds of a fixed number of operations, and of those
// the median, because a shared machine disturbs some of them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mcplb::bench {

// Keeps the compiler from leaving out what makes a value.
template <class T>
void keep(const T& value) {
  __asm__ __volatile__("" : : "r"(&value) : "memory");
}

struct Measured {
  std::string name;
  std::string unit = "ns";         // of `median` and its like; "bytes" for memory
  double median = 0;
  double least = 0;
  double most = 0;
  double allocations = 0;  // per operation
};

class Bench {
 public:
  // Measures only what has `filter` in its name.
  explicit Bench(std::string filter) : filter_(std::move(filter)) {}

  bool wanted(std::string_view name) const {
    return name.find(filter_) != std::string_view::npos;
  }
  // `operation` is given the number of the operation.
  void time(std::string_view name, std::uint64_t operations,
            const std::function<void(std::uint64_t)>& operation);
  void note(Measured measured) { all_.push_back(std::move(measured)); }

  const std::vector<Measured>& all() const { return all_; }

 private:
  std::string filter_;
  std::vector<Measured> all_;
};

// One function per part of the balancer that is measured.
void measure_http(Bench& bench);
void measure_mcp(Bench& bench);
void measure_balancers(Bench& bench);
void measure_directory(Bench& bench);

}  // namespace mcplb::bench
