#include "proxy/retry.hpp"

namespace mcplb::proxy {

Retry may_retry(const Error& error, const Attempt& attempt, mcp::Repeat licence, bool repeated) {
  if (!attempt.connected) return Retry::next_backend;
  if (attempt.reply_begun) return Retry::give_up;
  if (attempt.nothing_delivered) return Retry::same_backend;
  const bool broke = error.kind == Error::Kind::closed || error.kind == Error::Kind::reset;
  const bool may_repeat = licence == mcp::Repeat::safe && !repeated;
  return broke && may_repeat ? Retry::same_backend : Retry::give_up;
}

}  // namespace mcplb::proxy
