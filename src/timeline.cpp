#include "timeline.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb {
namespace {

using Json = nlohmann::ordered_json;

// What an event is about: those that agree in it and are close together are told as one.
std::string subject_of(std::string_view event, const Json& fields) {
  std::string text(event);
  for (const char* name : {"pool", "backend", "from", "to", "node", "name", "command", "target",
                           "connection", "result", "listener"}) {
    const auto found = fields.find(name);
    if (found == fields.end() || !found->is_string()) continue;
    text.append(1, '\0').append(name).append(1, '=').append(found->get_ref<const std::string&>());
  }
  return text;
}

// What tells one of several apart says nothing of all of them.
void drop_single(Json& fields) {
  for (const char* name : {"session", "ms", "generation"}) fields.erase(name);
}

}  // namespace

Timeline::Timeline() : budget_(static_cast<int>(limits::timeline_events_per_second)) {}

void Timeline::hear(LogLevel level, std::string_view event, std::string_view fields,
                    TimePoint now) {
  if (!budget_.grant(now)) {
    count_limit_hit(Limit::timeline_events);
    return;
  }
  std::string text = "{";
  if (!fields.empty()) text.append(fields.substr(1));
  Json object = Json::parse(text + "}", nullptr, false);
  if (!object.is_object()) object = Json::object();
  Entry entry;
  entry.subject = subject_of(event, object);
  entry.at = now;
  append_utc_time(entry.shown.time);
  entry.shown.level = to_string(level);
  entry.shown.event = event;
  const std::lock_guard lock(mutex_);
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) {
    return each.subject == entry.subject && now - each.at < limits::timeline_same_within.count();
  });
  if (same != entries_.end()) {
    entry.shown.count = same->shown.count + 1;
    drop_single(object);
    entries_.erase(same);
  }
  entry.shown.fields = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  entries_.push_front(std::move(entry));
  if (entries_.size() > limits::timeline_max) entries_.pop_back();
}

std::vector<admin::TimelineEntry> Timeline::newest_first() const {
  const std::lock_guard lock(mutex_);
  std::vector<admin::TimelineEntry> shown;
  shown.reserve(entries_.size());
  for (const Entry& entry : entries_) shown.push_back(entry.shown);
  return shown;
}

}  // namespace mcplb
