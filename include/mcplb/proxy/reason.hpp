// Why the balancer answered by itself, as `X-Mcplb-Reason`, logs and metrics name it.
#pragma once

#include <cstdint>
#include <string_view>

namespace mcplb::proxy {

enum class Reason : std::uint8_t {
  none,
  no_route,
  session_unknown,
  no_backend,
  owner_unavailable,
  backend_lost,
  backend_timeout,
  overloaded,
  bad_request,
  request_timeout,
  head_too_large,
  body_too_large,
  header_mismatch,
  session_conflict,
  store_unavailable,
  count_
};
std::string_view to_string(Reason reason);

}  // namespace mcplb::proxy
