// Requests as operators see them, and what changed lately. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mcplb::admin {

// Estimates out of histograms.
struct Quantiles {
  double p50_ms = 0;
  double p99_ms = 0;
};

struct TrafficView {
  // Over the last ten seconds. None: no requests in that time.
  double requests_per_second = 0;
  double errors_per_second = 0;
  std::optional<Quantiles> latency;
  std::optional<Quantiles> overhead;  // our own share
  // Since the start.
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
  // The last minutes, oldest first.
  struct Point {
    double requests_per_second = 0;
    double errors_per_second = 0;
    std::optional<Quantiles> latency;
  };
  int step_seconds = 0;
  std::vector<Point> history;
};

// Something that changed, as the log told it.
struct TimelineEntry {
  std::string time;  // of the last one, ISO 8601
  std::string level;
  std::string event;
  std::uint64_t count = 1;  // of equal ones close together
  std::string fields;       // a JSON object
};

using NamedCounts = std::vector<std::pair<std::string, std::uint64_t>>;

// Of the process.
struct ActivityView {
  std::string time;  // ISO 8601
  std::size_t client_connections = 0;
  std::size_t workers = 0;
  TrafficView traffic;
  NamedCounts local_replies;  // those that were given
  NamedCounts limit_hits;     // of those that were hit
  std::vector<TimelineEntry> timeline;  // newest first
};

}  // namespace mcplb::admin
