#include "session/openings.hpp"

#include <utility>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::session {
namespace {

// Beside the texts: the slot, its node in the table, the shared block.
constexpr std::size_t overhead = 256;

std::uint64_t hash_of(const mcp::Opening& opening) {
  return hash64(opening.initialize, hash64(opening.protocol, hash64(opening.capabilities)));
}

}  // namespace

std::uint32_t Directory::Openings::keep(mcp::Opening opening) {
  const std::size_t bytes = opening.bytes();
  if (bytes > limits::session_opening_bytes_max) {
    count_limit_hit(Limit::session_openings);
    return 0;
  }
  const std::uint64_t hash = hash_of(opening);
  const std::lock_guard lock(mutex_);
  std::uint32_t number = find(hash, opening);
  if (number != 0) {
    ++slots_[number].sessions;
    return number;
  }
  if (bytes_ + bytes + overhead > limits::session_openings_bytes_max) {
    count_limit_hit(Limit::session_openings);
    return 0;
  }
  if (free_.empty()) {
    number = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  bytes_ += bytes + overhead;
  slots_[number] = {std::make_shared<const mcp::Opening>(std::move(opening)), hash, 1};
  by_hash_.emplace(hash, number);
  return number;
}

std::uint32_t Directory::Openings::find(std::uint64_t hash, const mcp::Opening& opening) const {
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto at = begin; at != end; ++at) {
    if (*slots_[at->second].opening == opening) return at->second;
  }
  return 0;
}

void Directory::Openings::let_go(std::uint32_t number) {
  if (number == 0) return;
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[number];
  if (--slot.sessions > 0) return;
  const auto [begin, end] = by_hash_.equal_range(slot.hash);
  for (auto at = begin; at != end; ++at) {
    if (at->second != number) continue;
    by_hash_.erase(at);
    break;
  }
  bytes_ -= slot.opening->bytes() + overhead;
  slot = {};
  free_.push_back(number);
}

std::shared_ptr<const mcp::Opening> Directory::Openings::get(std::uint32_t number) const {
  if (number == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  return slots_[number].opening;
}

}  // namespace mcplb::session
