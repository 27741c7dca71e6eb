// Where a request goes: the forms of a request target and the Host field (RFC 9112 §3.2).
#pragma once

#include "mcplb/base/result.hpp"
#include "mcplb/http/head.hpp"

namespace mcplb::http {

// Reads `head.target` as it stood in the request line and the Host fields; sets target, path,
// query and authority, or names the rule that they break.
Result<void> resolve_target(RequestHead& head);

// uri-host [":" port], without userinfo (RFC 3986 §3.2). An empty host is not valid here.
bool is_valid_authority(std::string_view text);

}  // namespace mcplb::http
