// Sealed session ids: they name their owner, and nobody without a secret can make one. So any
// balancer that knows the secret finds the owner, without a store and after a restart.
//
//   the backend's own id   "."   owner tag, 10 digits   MAC, 24 digits      (digits: base64url)
//
// What is added is safe in a header and in a URL's query, where 2024-11-05 carries ids.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mcplb::mcp {

// Names a backend in all balancers: 60 bits of a hash of its configured id, so that it may change
// its address and keep its sessions.
enum class OwnerTag : std::uint64_t {};
OwnerTag owner_tag(std::string_view backend_id);

// Owned by a worker, used on its thread only: the keys' contexts are reused.
class Seal {
 public:
  // Of `secrets` (at least one) the first signs and all verify. What was sealed in one scope (a
  // pool, a kind of session) means nothing in another.
  Seal(const std::vector<std::string>& secrets, std::string_view scope);
  ~Seal();
  Seal(Seal&& other) noexcept;
  Seal& operator=(Seal&& other) noexcept;

  // Empty when the sealed id would exceed limits::session_id_bytes_max. `principal` is who may
  // use the session (Principals::identity), empty for everybody; it is covered, not carried.
  std::string wrap(OwnerTag owner, std::string_view id, std::string_view principal = {});

  struct Unsealed {
    std::string_view id;  // the backend's own; a view into the sealed one
    OwnerTag owner{};
  };
  // Nothing when no secret made it, or for another principal, or in another scope.
  std::optional<Unsealed> unwrap(std::string_view sealed, std::string_view principal = {});

  static constexpr std::size_t added_bytes = 35;
  // The backend's id within a sealed one that was verified before.
  static std::string_view inside(std::string_view sealed) {
    return sealed.substr(0, sealed.size() - std::min(sealed.size(), added_bytes));
  }

 private:
  struct Keys;
  std::unique_ptr<Keys> keys_;
};

}  // namespace mcplb::mcp
