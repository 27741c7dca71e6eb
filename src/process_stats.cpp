#include "process_stats.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::uint64_t count_open_fds() {
  std::error_code error;
  const std::filesystem::directory_iterator begin("/proc/self/fd", error);
  if (error) return 0;
  const auto count = std::distance(begin, std::filesystem::directory_iterator());
  return static_cast<std::uint64_t>(count) - 1;  // without the one that looks
}

// When the process started, in seconds since the system did: the 22nd value of /proc/self/stat. The
// second one is a name in parentheses that may hold anything.
double started_after_boot() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::size_t at = line.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = line.find(' ', at + 1);
  if (at == std::string::npos) return 0;
  const std::size_t end = line.find(' ', at + 1);
  const auto ticks = parse_decimal(std::string_view(line).substr(at + 1, end - at - 1));
  return static_cast<double>(ticks.value_or(0)) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double start_unix_seconds() {
  timespec since_boot{};
  clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const double age = static_cast<double>(since_boot.tv_sec) +
                     static_cast<double>(since_boot.tv_nsec) / 1e9 - started_after_boot();
  return static_cast<double>(unix_ns()) / 1e9 - age;
}

}  // namespace

ProcessStats process_stats() {
  ProcessStats stats;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    stats.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  }
  std::uint64_t pages = 0;
  std::uint64_t resident_pages = 0;
  std::ifstream statm("/proc/self/statm");
  if (statm >> pages >> resident_pages) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    stats.virtual_bytes = pages * page;
    stats.resident_bytes = resident_pages * page;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_fds = limit.rlim_cur;
  stats.open_fds = count_open_fds();
  // Once: the system's clock may be set, and whoever looks for restarts compares.
  static const double start = start_unix_seconds();
  stats.start_unix_seconds = start;
  return stats;
}

}  // namespace mcplb
