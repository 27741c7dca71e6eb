#include "mcplb/session/stored_facts.hpp"

#include <charconv>

namespace mcplb::session {
namespace {

std::string to_hex(const mcp::Principal& principal) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : principal.bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

// All zero, which fits nobody, when it is not what to_hex() made.
mcp::Principal from_hex(std::string_view text) {
  mcp::Principal principal;
  if (text.size() != 2 * principal.bytes.size()) return {};
  for (std::size_t i = 0; i < principal.bytes.size(); ++i) {
    const char* const begin = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, principal.bytes[i], 16);
    if (error != std::errc{} || end != begin + 2) return {};
  }
  return principal;
}

}  // namespace

Facts facts_of(const StoredRecord& record, const cluster::PoolView& pool) {
  Facts facts;
  const cluster::Backend* const owner = pool.find(record.owner);
  if (owner != nullptr) facts.owner = owner->id();
  facts.generation = record.generation;
  facts.created_s = record.created_s;
  facts.place = record.place;
  facts.principal = from_hex(record.principal);
  facts.backend_session = record.backend_session;
  return facts;
}

StoredRecord stored_record(std::string_view id, const Facts& facts, std::string_view owner) {
  StoredRecord record;
  record.id = id;
  record.owner = owner;
  record.generation = facts.generation;
  record.created_s = facts.created_s;
  record.place = facts.place;
  if (facts.principal) record.principal = to_hex(facts.principal);
  record.backend_session = facts.backend_session;
  return record;
}

StoredRecord stored_record(const Record& record, std::string_view owner) {
  StoredRecord stored = stored_record(record.id, record.facts, owner);
  stored.replay = record.replay;
  stored.stored = record.stored;
  return stored;
}

}  // namespace mcplb::session
