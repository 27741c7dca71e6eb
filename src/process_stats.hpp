// What the system says of this process, for metrics.
#pragma once

#include <cstdint>

namespace mcplb {

// 0: not known.
struct ProcessStats {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  double start_unix_seconds = 0;
};

// Reads /proc/self: for a scrape, not for a request.
ProcessStats process_stats();

}  // namespace mcplb
