// From bytes to heads, strictly: what RFC 9112 leaves to taste is refused, because a second
// parser behind us may read it differently (request smuggling). llhttp parses request lines; what
// it lets through (odd versions, Host rules) is checked here, and so are status lines and every
// header line: nothing is taken that llhttp would refuse in it.
// No I/O, no state between messages.
#pragma once

#include <cstddef>
#include <string_view>

#include "mcplb/base/result.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/http/settings.hpp"

namespace mcplb::http {

// Finds the end of a head while it arrives and refuses what no head may contain: bare LF, bare
// CR, NUL and other controls, obs-fold, empty field names. Each byte is looked at once. One empty
// line before the head is skipped and counted in its length.
class HeadScanner {
 public:
  // `side` is whose bytes these are, for errors.
  explicit HeadScanner(Error::Side side = Error::Side::client) : side_(side) {}
  // The length of the head with its closing empty line, or 0 when more bytes are needed.
  // `bytes` begins with the head and has only grown since the last call. After an error or a
  // found head, reset() comes before the next scan().
  Result<std::size_t> scan(std::string_view bytes);
  void reset() { *this = HeadScanner(side_); }

 private:
  Error::Side side_;
  bool start_line_seen_ = false;
  std::size_t line_begin_ = 0;
  std::size_t scanned_ = 0;
};

// `bytes` is exactly one head as HeadScanner found it: of others it is not safe to read. `out`
// gets views into it.
// Errors have side client and kind malformed or head_too_large (too many headers).
Result<void> parse_request_head(std::string_view bytes, const Settings& settings, RequestHead& out);

// Errors have side backend. `request_method` decides whether a body can follow.
Result<void> parse_reply_head(std::string_view bytes, Method request_method,
                              const Settings& settings, ReplyHead& out);

}  // namespace mcplb::http
