// Result<T>: a value or an Error. Errors never cross floors as exceptions.
// (std::expected is not usable with both compilers that we support.)
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "mcplb/base/assert.hpp"

namespace mcplb {

// What went wrong, whose fault it is, and a static text for the log.
// A kind exists only where some caller reacts differently.
struct Error {
  enum class Kind : std::uint8_t {
    closed,          // the peer ended the connection in an orderly way (FIN)
    reset,           // the connection broke (RST, EPIPE)
    refused,         // nobody listens at the address
    unreachable,     // the address or the name cannot be reached or resolved
    timeout,         // the deadline passed
    malformed,       // the peer's bytes break the protocol
    head_too_large,  // a head beyond limits.head_bytes_max or limits.headers_max
    body_too_large,  // a body beyond limits.request_bytes_max
    overloaded,      // one of our own limits
    interrupted,     // we asked the waiting task to stop waiting
    config,          // the operator's input is wrong
    failed           // the system refused what we asked for; os_code says why
  };
  // Whose fault: decides between 4xx, 502/504 and 500.
  enum class Side : std::uint8_t { client, backend, self };

  Kind kind = Kind::failed;
  Side side = Side::self;
  int os_code = 0;         // errno, 0 when none
  const char* what = "";   // static text, safe to log and to show; never null

  // The same, and whose fault it is: who asked knows whose connection it was.
  Error by(Side whose) const { return {kind, whose, os_code, what}; }
};

const char* to_string(Error::Kind kind);

template <class T>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): `return value;` and `return error;` are the idiom.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, error) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    MCPLB_ASSERT(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }

 private:
  T& value() {
    MCPLB_ASSERT(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    MCPLB_ASSERT(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Error error) : error_(error) {}

  explicit operator bool() const { return error_.what == nullptr; }
  const Error& error() const {
    MCPLB_ASSERT(error_.what != nullptr);
    return error_;
  }

 private:
  // An error always has a text; none means well. Small enough to be returned in registers.
  Error error_{Error::Kind::failed, Error::Side::self, 0, nullptr};
};

}  // namespace mcplb
