// Bounds on what one HTTP message may cost us.
#pragma once

#include <cstddef>

namespace mcplb::http {

struct Settings {
  // A request or reply head, in bytes. Raise for clients with very long cookies or tokens.
  std::size_t head_bytes_max = 64 * 1024;
  // Header lines of one head.
  std::size_t headers_max = 100;
  // A request body, in bytes: it is read whole before a backend is chosen.
  std::size_t request_bytes_max = 4 * 1024 * 1024;
};

}  // namespace mcplb::http
