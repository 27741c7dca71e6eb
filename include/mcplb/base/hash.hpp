// 64-bit hashes (xxHash XXH3), for tables, affinity keys and the ids shown in logs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mcplb {

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);

// A session id as logs, metrics and pages show it: 12 hex digits of a hash that is keyed anew at
// every start unless the operator sets `secrets`, so that ids cannot be looked up from a log.
std::string hashed_for_log(std::string_view id);

// For unordered_map<std::string, …> look-ups by string_view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return static_cast<std::size_t>(hash64(text));
  }
};

}  // namespace mcplb
