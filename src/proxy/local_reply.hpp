// Every answer that the balancer makes by itself: one table from reason to status and JSON-RPC
// error, as users, dashboards and `X-Mcplb-Reason` know them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mcplb/base/result.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/proxy/reason.hpp"

namespace mcplb::proxy {

int status_of(Reason reason);

// Whether the backend may have seen the request: `data.outcome` of the JSON-RPC error.
enum class Outcome : std::uint8_t { none, not_sent, unknown };

struct LocalReply {
  Reason reason = Reason::none;
  const char* what = "";  // static text: who is at fault, what to do
  Outcome outcome = Outcome::none;
};

// For an error while a request was read.
LocalReply reply_to_bad_request(const Error& error);

// The whole reply as bytes. `request` may be half parsed: only its method and version are used.
// `id_json` is the JSON-RPC id as text, empty when it is not readable.
std::string render(const LocalReply& reply, const http::RequestHead& request,
                   std::string_view id_json, std::string_view request_id, bool close);

}  // namespace mcplb::proxy
