// The bearer token of the admin API.
#pragma once

#include <string_view>

namespace mcplb::admin {

// True when the value of an Authorization field is `Bearer` and that token. How long it takes
// depends on the length of what was sent only, so that the token cannot be guessed byte by byte.
bool carries_token(std::string_view authorization, std::string_view token);

}  // namespace mcplb::admin
