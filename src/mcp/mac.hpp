// HMAC-SHA256 with a key that is prepared once. Not thread-safe: one per worker.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include <openssl/types.h>

namespace mcplb::mcp {

using Digest = std::array<std::uint8_t, 32>;

class Mac {
 public:
  explicit Mac(std::string_view key);

  // Over the parts as if they were one text: what may shift between them is the caller's concern.
  Digest over(std::initializer_list<std::string_view> parts);

 private:
  struct Free {
    void operator()(EVP_MAC_CTX* context) const;
  };
  std::unique_ptr<EVP_MAC_CTX, Free> context_;
};

// One key for one purpose out of each secret, so that a value made for one purpose never fits
// another. `purpose` is told from `scope` by a byte that neither has.
std::vector<Mac> derive_macs(const std::vector<std::string>& secrets, std::string_view purpose,
                             std::string_view scope);

Digest sha256(std::string_view text);

// Takes as long for the first difference as for the last. Of equal sizes.
bool equals_in_constant_time(std::string_view a, std::string_view b);

inline std::string_view text_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace mcplb::mcp
