#include "load/tally.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace mcplb::bench {
namespace {

using nlohmann::ordered_json;

std::string text_of(Failure failure, int status) {
  switch (failure) {
    case Failure::none: return "none";
    case Failure::connect: return "connect";
    case Failure::closed: return "closed";
    case Failure::timeout: return "timeout";
    case Failure::not_http: return "not http";
    case Failure::status: return "status " + std::to_string(status);
    case Failure::wrong_body: return "wrong body";
    case Failure::wrong_server: return "wrong server";
    case Failure::no_session: return "no session";
    case Failure::unsent: return "unsent";
  }
  return "unknown";
}

ordered_json to_object(const Latencies& latency) {
  ordered_json out;
  out["count"] = latency.count();
  out["p50"] = latency.quantile(0.5);
  out["p90"] = latency.quantile(0.9);
  out["p99"] = latency.quantile(0.99);
  out["p999"] = latency.quantile(0.999);
  out["max"] = latency.max();
  out["mean"] = latency.mean();
  return out;
}

ordered_json to_object(const Tally::Streams& streams) {
  ordered_json out;
  out["open"] = streams.open;
  out["failed"] = streams.failed;
  out["broken"] = streams.broken;
  out["events"] = streams.events;
  out["expected"] = streams.expected;
  out["wrong"] = streams.wrong;
  out["event_latency_us"] = to_object(streams.latency);
  return out;
}

ordered_json to_object(const Tally::Sessions& sessions) {
  ordered_json out;
  out["opened"] = sessions.opened;
  out["reopened"] = sessions.reopened;
  out["lost"] = sessions.lost;
  out["moved"] = sessions.moved;
  out["removed"] = sessions.removed;
  return out;
}

ordered_json to_object(const std::vector<Tally::Step>& timeline) {
  ordered_json ok = ordered_json::array();
  ordered_json failed = ordered_json::array();
  for (const Tally::Step& step : timeline) {
    ok.push_back(step.ok);
    failed.push_back(step.failed);
  }
  ordered_json out;
  out["step_ms"] = timeline_step_us / 1000;
  out["ok"] = std::move(ok);
  out["failed"] = std::move(failed);
  return out;
}

}  // namespace

std::size_t Tally::kind(std::string_view name, bool is_request) {
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [name](const Kind& kind) { return kind.name == name; });
  if (found != kinds.end()) return static_cast<std::size_t>(found - kinds.begin());
  kinds.push_back({std::string(name), is_request, 0, 0, {}});
  return kinds.size() - 1;
}

void Tally::add(const Window& window, const Unit& unit) {
  Kind& counted = kinds[unit.kind];
  const bool ok = unit.failure == Failure::none;
  if (window.has(unit.ended_us) && counted.is_request) {
    const auto step =
        static_cast<std::size_t>((unit.ended_us - window.begin_us) / timeline_step_us);
    if (step >= timeline.size()) timeline.resize(step + 1);
    ++(ok ? timeline[step].ok : timeline[step].failed);
    completed += ok ? 1 : 0;
  }
  if (!window.has(unit.started_us)) return;
  if (!ok) {
    ++counted.failed;
    if (counted.is_request) ++failures[text_of(unit.failure, unit.status)];
    return;
  }
  ++counted.ok;
  counted.latency.add(unit.ended_us - unit.started_us);
  if (unit.server.empty()) return;
  const auto server = servers.find(unit.server);
  if (server != servers.end()) ++server->second;
  else servers.emplace(unit.server, 1);
}

void Tally::merge(const Tally& other) {
  for (const Kind& theirs : other.kinds) {
    Kind& ours = kinds[kind(theirs.name, theirs.is_request)];
    ours.ok += theirs.ok;
    ours.failed += theirs.failed;
    ours.latency.merge(theirs.latency);
  }
  for (const auto& [text, count] : other.failures)
    failures[text] += count;
  for (const auto& [name, count] : other.servers)
    servers[name] += count;
  timeline.resize(std::max(timeline.size(), other.timeline.size()));
  for (std::size_t i = 0; i < other.timeline.size(); ++i) {
    timeline[i].ok += other.timeline[i].ok;
    timeline[i].failed += other.timeline[i].failed;
  }
  completed += other.completed;
  reconnects += other.reconnects;
  late.merge(other.late);
  sessions.opened += other.sessions.opened;
  sessions.reopened += other.sessions.reopened;
  sessions.lost += other.sessions.lost;
  sessions.moved += other.sessions.moved;
  sessions.removed += other.sessions.removed;
  streams.open += other.streams.open;
  streams.failed += other.streams.failed;
  streams.broken += other.streams.broken;
  streams.expected += other.streams.expected;
  streams.events += other.streams.events;
  streams.wrong += other.streams.wrong;
  streams.latency.merge(other.streams.latency);
}

std::string to_json(const Tally& tally, double seconds) {
  constexpr double us_per_ms = 1000;
  Latencies all;
  std::uint64_t ok = 0;
  ordered_json by_kind = ordered_json::object();
  for (const Tally::Kind& kind : tally.kinds) {
    by_kind[kind.name] = to_object(kind.latency);
    by_kind[kind.name]["failed"] = kind.failed;
    if (!kind.is_request) continue;
    ok += kind.ok;
    all.merge(kind.latency);
  }
  std::uint64_t failed = 0;
  for (const auto& [text, count] : tally.failures)
    failed += count;
  ordered_json out;
  out["seconds"] = seconds;
  out["requests"] = ok + failed;
  out["ok"] = ok;
  out["failures"] = tally.failures;
  out["completed"] = tally.completed;
  out["rate"] = static_cast<double>(tally.completed) / seconds;
  out["late"] = static_cast<double>(tally.late.quantile(0.99)) / us_per_ms;
  out["late_max"] = static_cast<double>(tally.late.max()) / us_per_ms;
  out["latency_us"] = to_object(all);
  out["by_kind"] = std::move(by_kind);
  out["streams"] = to_object(tally.streams);
  out["servers"] = tally.servers;
  out["sessions"] = to_object(tally.sessions);
  out["reconnects"] = tally.reconnects;
  out["timeline"] = to_object(tally.timeline);
  return out.dump();
}

}  // namespace mcplb::bench
