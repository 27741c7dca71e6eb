// Whether a backend says that it does not know the session of a request. The specification wants
// 404; in the field the same is said with other statuses and in many words. No I/O.
#pragma once

#include <string_view>

#include "mcplb/mcp/response.hpp"

namespace mcplb::mcp {

// For the reply to a legacy request that carried a session id. `body` is decoded and may be cut
// short; a few KiB are enough. It has to be said: a 404 of a wrong path or an unknown method is
// not taken for it, nor is any 401, 403 or 5xx. Made for deciding whether a session that lives may
// be given up, so doubt means false.
bool says_session_unknown(int status, std::string_view content_type, std::string_view body);

// The same for an error inside of a 2xx reply or an event stream.
bool says_session_unknown(const Response& response);

}  // namespace mcplb::mcp
