#include "timeline.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb {
namespace {

using Json = nlohmann::ordered_json;

// What an event is about: those that agree in it and are close together are told as one. Looked for
// in the text, because thousands of sessions may move in a second. No value holds a quotation mark.
std::string subject_of(std::string_view event, std::string_view fields) {
  std::string text(event);
  for (const std::string_view name :
       {",\"pool\":\"", ",\"backend\":\"", ",\"from\":\"", ",\"to\":\"", ",\"node\":\"",
        ",\"name\":\"", ",\"command\":\"", ",\"target\":\"", ",\"connection\":\"",
        ",\"listener\":\""}) {
    const std::size_t at = fields.find(name);
    if (at == std::string_view::npos) continue;
    const std::size_t begin = at + name.size();
    text.append(name).append(fields.substr(begin, fields.find('"', begin) - begin));
  }
  return text;
}

Json object_of(std::string_view fields) {
  std::string text = "{";
  if (!fields.empty()) text.append(fields.substr(1));
  Json object = Json::parse(text + "}", nullptr, false);
  return object.is_object() ? object : Json::object();
}

std::string text_of(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A command that was refused, by anybody who reaches the address, changed nothing.
bool changes_nothing(std::string_view event, std::string_view fields) {
  return event == "admin_command" && fields.find("\"result\":\"refused\"") != std::string::npos;
}

}  // namespace

Timeline::Timeline() : budget_(static_cast<int>(limits::timeline_events_per_second)) {}

void Timeline::hear(LogLevel level, std::string_view event, std::string_view fields,
                    TimePoint now) {
  if (changes_nothing(event, fields)) return;
  std::string subject = subject_of(event, fields);
  const std::lock_guard lock(mutex_);
  if (merge(subject, now)) return;
  if (!budget_.grant(now)) {
    count_limit_hit(Limit::timeline_events);
    return;
  }
  Entry entry;
  entry.subject = std::move(subject);
  entry.at = now;
  append_utc_time(entry.shown.time);
  entry.shown.level = to_string(level);
  entry.shown.event = event;
  entry.shown.fields = text_of(object_of(fields));
  entries_.push_front(std::move(entry));
  if (entries_.size() > limits::timeline_max) entries_.pop_back();
}

// False: nothing of the kind has just been told.
bool Timeline::merge(const std::string& subject, TimePoint now) {
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) {
    return each.subject == subject && now - each.at < limits::timeline_same_within.count();
  });
  if (same == entries_.end()) return false;
  Entry entry = std::move(*same);
  entries_.erase(same);
  ++entry.shown.count;
  entry.at = now;
  entry.shown.time.clear();
  append_utc_time(entry.shown.time);
  if (entry.shown.count == 2) {
    // What tells one of several apart says nothing of all of them.
    Json object = Json::parse(entry.shown.fields, nullptr, false);
    for (const char* name : {"session", "ms", "generation"}) object.erase(name);
    entry.shown.fields = text_of(object);
  }
  entries_.push_front(std::move(entry));
  return true;
}

std::vector<admin::TimelineEntry> Timeline::newest_first() const {
  const std::lock_guard lock(mutex_);
  std::vector<admin::TimelineEntry> shown;
  shown.reserve(entries_.size());
  for (const Entry& entry : entries_) shown.push_back(entry.shown);
  return shown;
}

}  // namespace mcplb
