#include "mcplb/mcp/seal.hpp"

#include <array>
#include <utility>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"

#include "mcp/base64url.hpp"
#include "mcp/mac.hpp"

namespace mcplb::mcp {
namespace {

constexpr char mark = '.';
constexpr std::size_t tag_digits = 10;  // 60 bits
constexpr std::size_t mac_bytes = 18;   // 144 bits, and no bit of the last digit is left over
constexpr std::size_t mac_digits = mac_bytes / 3 * 4;
static_assert(Seal::added_bytes == 1 + tag_digits + mac_digits);

using TagText = std::array<char, tag_digits>;
using MacText = std::array<char, mac_digits>;

template <std::size_t size>
std::string_view view(const std::array<char, size>& text) {
  return {text.data(), text.size()};
}

TagText text_of(OwnerTag tag) {
  auto bits = static_cast<std::uint64_t>(tag);
  TagText text{};
  for (std::size_t i = tag_digits; i > 0; --i) {
    text[i - 1] = base64url_digits[bits & 63];
    bits >>= 6;
  }
  return text;
}

std::optional<OwnerTag> tag_of(std::string_view text) {
  std::uint64_t bits = 0;
  for (const char c : text) {
    const std::uint8_t value = base64url_value(c);
    if (value == no_base64url_digit) return std::nullopt;
    bits = bits << 6 | value;
  }
  return static_cast<OwnerTag>(bits);
}

// The tag has one size and the principal tells its own, so that no byte can change its meaning.
MacText mac_over(Mac& mac, std::string_view tag, std::string_view id, std::string_view principal) {
  std::array<char, 4> size{};
  for (std::size_t i = 0; i < size.size(); ++i)
    size[i] = static_cast<char>(principal.size() >> 8 * i & 0xff);
  const Digest digest = mac.over({tag, view(size), principal, id});
  MacText text{};
  for (std::size_t i = 0; i < mac_bytes / 3; ++i) {
    const std::uint32_t bits = static_cast<std::uint32_t>(digest[3 * i]) << 16 |
                               static_cast<std::uint32_t>(digest[3 * i + 1]) << 8 |
                               digest[3 * i + 2];
    for (std::size_t j = 0; j < 4; ++j)
      text[4 * i + j] = base64url_digits[bits >> (18 - 6 * j) & 63];
  }
  return text;
}

}  // namespace

struct Seal::Keys {
  std::vector<Mac> macs;
};

OwnerTag owner_tag(std::string_view backend_id) {
  const Digest digest = sha256(backend_id);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i)
    bits = bits << 8 | digest[i];
  return static_cast<OwnerTag>(bits >> (64 - 6 * tag_digits));
}

Seal::Seal(const std::vector<std::string>& secrets, std::string_view scope)
    : keys_(new Keys{derive_macs(secrets, "seal", scope)}) {
  MCPLB_ASSERT(!secrets.empty());
}
Seal::~Seal() = default;
Seal::Seal(Seal&& other) noexcept = default;
Seal& Seal::operator=(Seal&& other) noexcept = default;

std::string Seal::wrap(OwnerTag owner, std::string_view id, std::string_view principal) {
  std::string sealed;
  if (id.empty() || id.size() + added_bytes > limits::session_id_bytes_max) return sealed;
  const TagText tag = text_of(owner);
  const MacText mac = mac_over(keys_->macs.front(), view(tag), id, principal);
  sealed.reserve(id.size() + added_bytes);
  sealed.append(id).append(1, mark).append(view(tag)).append(view(mac));
  return sealed;
}

std::optional<Seal::Unsealed> Seal::unwrap(std::string_view sealed, std::string_view principal) {
  if (sealed.size() <= added_bytes || sealed.size() > limits::session_id_bytes_max) {
    return std::nullopt;
  }
  const std::string_view id = sealed.substr(0, sealed.size() - added_bytes);
  const std::string_view tag = sealed.substr(id.size() + 1, tag_digits);
  const std::string_view given = sealed.substr(id.size() + 1 + tag_digits);
  const std::optional<OwnerTag> owner = tag_of(tag);
  if (sealed[id.size()] != mark || !owner) return std::nullopt;
  for (Mac& mac : keys_->macs) {
    const MacText right = mac_over(mac, tag, id, principal);
    if (equals_in_constant_time(view(right), given)) return Unsealed{id, *owner};
  }
  return std::nullopt;
}

}  // namespace mcplb::mcp
