// What changed lately, out of the events of the log: for people who look at the dashboard.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/admin/traffic.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/log_budget.hpp"

namespace mcplb {

// Owned by the server. Thread-safe.
class Timeline {
 public:
  Timeline();

  // `fields` is the inside of a JSON object, as log::Listener has it.
  void hear(LogLevel level, std::string_view event, std::string_view fields, TimePoint now);
  std::vector<admin::TimelineEntry> newest_first() const;

 private:
  struct Entry {
    admin::TimelineEntry shown;
    std::string subject;
    TimePoint at = 0;
  };
  bool merge(const std::string& subject, TimePoint now);

  LogBudget budget_;  // of entries that are new
  mutable std::mutex mutex_;   // guards the entries
  std::deque<Entry> entries_;  // newest first; at most limits::timeline_max
};

}  // namespace mcplb
