#include "mcplb/http/header_rules.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "mcplb/base/text.hpp"

namespace mcplb::http {
namespace {

constexpr std::uint64_t bit_of(Name name) {
  return std::uint64_t{1} << static_cast<unsigned>(name);
}

// Every field of every head is asked.
bool is_hop_by_hop(Name name) {
  constexpr std::uint64_t names =
      bit_of(Name::connection) | bit_of(Name::keep_alive) | bit_of(Name::proxy_authenticate) |
      bit_of(Name::proxy_authorization) | bit_of(Name::proxy_connection) | bit_of(Name::te) |
      bit_of(Name::trailer) | bit_of(Name::transfer_encoding) | bit_of(Name::upgrade);
  return (names & bit_of(name)) != 0;
}

// Names that rules of ours or of a backend rely on. A sender that could have them dropped here
// would be judged by one set of fields and served by another.
bool is_end_to_end(std::string_view name) {
  static constexpr std::array<std::string_view, 11> names{
      "host",   "authorization", "cookie",    "accept",       "last-event-id", "expect",
      "origin", "forwarded",     "x-real-ip", "x-request-id", "cache-control"};
  static constexpr std::array<std::string_view, 3> prefixes{"content-", "mcp-", "x-forwarded-"};
  return std::any_of(names.begin(), names.end(),
                     [&](auto known) { return equals_ignoring_case(name, known); }) ||
         std::any_of(prefixes.begin(), prefixes.end(),
                     [&](auto prefix) { return starts_with_ignoring_case(name, prefix); });
}

// Calls `visit(token)` for every token of every Connection field until it returns false.
template <class Visit>
void for_each_connection_token(const Fields& fields, Visit visit) {
  if (!fields.has(Name::connection)) return;
  bool going = true;
  for (const Field& field : fields) {
    if (field.id != Name::connection || !going) continue;
    for_each_list_element(field.value, [&](std::string_view token) {
      going = visit(token);
      return going;
    });
  }
}

bool is_connection_option(std::string_view token) {
  return equals_ignoring_case(token, "close") || equals_ignoring_case(token, "keep-alive");
}

}  // namespace

HopByHop::HopByHop(const Fields& fields) : fields_(fields) {
  // Nearly every Connection field is nothing but an option.
  const bool alone = !fields.repeated(Name::connection);
  if (alone && is_connection_option(fields.get(Name::connection))) return;
  for_each_connection_token(fields, [this](std::string_view token) {
    // What the fixed set covers need not be looked for again at every field.
    if (is_connection_option(token) || is_hop_by_hop(name_of(token))) return true;
    nominated_ = token;
    return false;
  });
}

bool HopByHop::covers(const Field& field) const {
  if (is_hop_by_hop(field.id)) return true;
  if (nominated_.empty()) return false;
  bool named = false;
  for_each_connection_token(fields_, [&](std::string_view token) {
    named = equals_ignoring_case(token, field.name);
    return !named;
  });
  return named;
}

bool nominates_end_to_end_field(const Fields& fields) {
  bool found = false;
  for_each_connection_token(fields, [&](std::string_view token) {
    found = is_end_to_end(token);
    return !found;
  });
  return found;
}

}  // namespace mcplb::http
