// The whole retry policy: one function.
#pragma once

#include <cstdint>

#include "mcplb/base/result.hpp"
#include "mcplb/mcp/message.hpp"

namespace mcplb::proxy {

// How far one try got.
struct Attempt {
  bool connected = false;          // a connection was there, new or reused
  bool reused = false;             // it had served a request before
  bool reply_begun = false;        // at least one byte of a reply arrived
  bool nothing_delivered = false;  // proof that the backend's system took no byte
};

// A connection attempt that failed so says that no process listens. One that is reset met a process
// that was just ending.
inline bool is_nobody_there(const Error& error) {
  return error.kind == Error::Kind::refused || error.kind == Error::Kind::reset;
}

enum class Retry : std::uint8_t {
  give_up,
  same_backend,  // on a fresh connection
  next_backend   // the next candidate, or the same one when it owns the session
};

// May the request be sent again? Never after a byte of a reply, never after a time-out. Always
// when nothing was delivered: the connection was not made, or the proof holds. Otherwise only a
// method that is safe to repeat, once. `repeated` says that this licence has been used.
Retry may_retry(const Error& error, const Attempt& attempt, mcp::Repeat licence, bool repeated);

}  // namespace mcplb::proxy
