// What the fields of a head say about the message's end and the connection's (RFC 9112 §6, §9).
#pragma once

#include "mcplb/base/result.hpp"
#include "mcplb/http/head.hpp"

namespace mcplb::http {

// Set framing, content_length, keep_alive and what else the fields decide, or name the rule that
// they break. The start line has been read.
Result<void> apply_fields(RequestHead& head);
Result<void> apply_fields(ReplyHead& head, Method request_method);

}  // namespace mcplb::http
