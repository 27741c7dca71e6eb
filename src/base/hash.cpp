#include "mcplb/base/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "mcplb/base/random.hpp"

namespace mcplb {

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string hashed_for_log(std::string_view id) {
  static const std::uint64_t key = secret_random64();
  static constexpr char digits[] = "0123456789abcdef";
  std::uint64_t bits = hash64(id, key);
  std::string text(12, '0');
  for (char& c : text) {
    c = digits[bits & 15];
    bits >>= 4;
  }
  return text;
}

}  // namespace mcplb
