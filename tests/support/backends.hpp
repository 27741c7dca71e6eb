// Backends without a network behind them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "mcplb/cluster/backend.hpp"

namespace mcplb::test {

// One backend per weight, called a, b, c, …
class Backends {
 public:
  Backends(std::initializer_list<std::uint32_t> weights)
      : Backends(std::vector<std::uint32_t>(weights)) {}
  explicit Backends(const std::vector<std::uint32_t>& weights) {
    for (const std::uint32_t weight : weights) {
      cluster::BackendSettings settings;
      settings.id = name_of(all.size());
      settings.host = "127.0.0.1";
      settings.weight = weight;
      all.push_back(registry.add("pool", settings));
    }
  }

  cluster::Backend& operator[](std::size_t index) { return *all[index]; }
  // Keeps that many exchanges open on a backend until the end of the test.
  void load(std::size_t index, std::size_t exchanges) {
    for (std::size_t i = 0; i < exchanges; ++i)
      shares_.emplace_back(*all[index]);
  }

  cluster::Registry registry;
  std::vector<cluster::Backend*> all;

 private:
  static std::string name_of(std::size_t index) {
    if (index < 26) return std::string(1, static_cast<char>('a' + index));
    return "b" + std::to_string(index);
  }

  std::vector<cluster::LoadShare> shares_;
};

// The names of backends in their order, as one word when each is a letter.
inline std::string names(const std::vector<cluster::Backend*>& backends) {
  std::string text;
  for (const cluster::Backend* backend : backends)
    text += backend->name();
  return text;
}

using Shares = std::map<const cluster::Backend*, int>;

}  // namespace mcplb::test
