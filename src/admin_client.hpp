// One question to the admin API of a running instance: how every command that asks one does it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/wire/call.hpp"

namespace mcplb {

struct AdminAddress {
  std::string host;       // without brackets; empty: a unix socket
  std::uint16_t port = 0;
  std::string unix_path;
};
// HOST:PORT, [IPV6]:PORT or unix:PATH.
std::optional<AdminAddress> parse_admin_address(std::string_view text);

// With a method other than GET it is a command, with an empty JSON object as its body.
struct AdminQuestion {
  http::Method method = http::Method::get;
  std::string target;  // path and query
  std::string token;   // visible characters only; empty: none is sent
};
// On a loop of its own: returns with the answer, whatever its status, or within
// limits::admin_call.
Result<wire::CallReply> ask_admin(const AdminAddress& address, const AdminQuestion& question);

// Waits for that long, on a loop of its own.
void pause(milliseconds time);

// For a part of a path or query: all but unreserved characters as %XX (RFC 3986 §2.3).
std::string percent_encoded(std::string_view text);

}  // namespace mcplb
