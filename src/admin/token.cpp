#include "admin/token.hpp"

#include "mcplb/base/text.hpp"

namespace mcplb::admin {
namespace {

// `expected` is not empty.
bool equal_in_constant_time(std::string_view given, std::string_view expected) {
  unsigned difference = given.size() == expected.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto a = static_cast<unsigned char>(given[i]);
    const auto b = static_cast<unsigned char>(expected[i % expected.size()]);
    difference |= static_cast<unsigned>(a ^ b);
  }
  return difference == 0;
}

}  // namespace

bool carries_token(std::string_view authorization, std::string_view token) {
  static constexpr std::string_view scheme = "Bearer ";
  if (token.empty() || !starts_with_ignoring_case(authorization, scheme)) return false;
  return equal_in_constant_time(trimmed(authorization.substr(scheme.size())), token);
}

}  // namespace mcplb::admin
