// Who sends a request, for sessions that answer only to the principal that opened them. Nothing is
// verified here: a credential that the backend refuses opens no session and reaches no tool.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mcplb::mcp {

// A keyed hash of a principal: says nothing about it, and may be stored. All zero: none.
struct Principal {
  std::array<std::uint8_t, 16> bytes{};

  explicit operator bool() const { return *this != Principal{}; }
  bool operator==(const Principal&) const = default;
};

// Owned by a worker, used on its thread only: the keys' contexts and the JSON parser are reused.
class Principals {
 public:
  // Of `secrets` (at least one) the first makes principals, and all recognise theirs.
  explicit Principals(const std::vector<std::string>& secrets);
  ~Principals();
  Principals(Principals&& other) noexcept;
  Principals& operator=(Principals&& other) noexcept;

  // What tells one principal from another, for the value of an Authorization field: of a JWT
  // bearer its iss and sub, which a refreshed token keeps; of anything else all of it, also when
  // it is empty. Valid until the next call of any method.
  std::string_view identity(std::string_view authorization);

  Principal of(std::string_view authorization);
  // Whether the credential is of the principal that of() gave, under any secret. False for none.
  bool fits(const Principal& bound, std::string_view authorization);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mcplb::mcp
