// How requests find their pool, and how long each step of an exchange may take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mcplb/base/clock.hpp"

namespace mcplb::proxy {

// Host first (exact, then the longest *.suffix, then *), then the longest path prefix.
struct RouteSettings {
  std::string listener;       // "": every listener
  std::string host = "*";     // lower case; exact, *.suffix or *
  std::string path = "/";     // a prefix of whole segments: /a matches /a and /a/b, not /ab
  bool strip_prefix = false;  // remove `path` before the backend sees the target
};

struct ForwardSettings {
  milliseconds request_body{30'000};         // between two reads of a request body
  milliseconds response_head{10 * 60'000};   // tools are slow, people slower
  milliseconds stream_idle{60 * 60'000};     // between two reads of a response body
  milliseconds heartbeat{15'000};            // SSE comment on idle event streams; 0: never
  int retries = 2;                           // further tries after the first, all causes together
};

struct ClientSettings {
  milliseconds head_timeout{10'000};         // a request head, from its first byte to its last
  milliseconds client_idle_timeout{75'000};  // between two requests of one connection
  std::size_t client_connections_max = 8192;  // per process
  std::vector<std::string> trusted_proxies;   // CIDRs whose forwarding headers are believed
};

}  // namespace mcplb::proxy
