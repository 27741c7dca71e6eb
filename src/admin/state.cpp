// Everything that a page about this process shows, once or as it changes.
#include <cmath>

#include "mcplb/admin/admin.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/metrics.hpp"

#include "admin/backend_json.hpp"
#include "admin/health_json.hpp"
#include "admin/query.hpp"
#include "admin/reply.hpp"

namespace mcplb::admin {
namespace {

// Three digits after the point are more than an estimate is good for.
double rounded(double value) { return std::round(value * 1000) / 1000; }

Json quantiles_json(const std::optional<Quantiles>& quantiles) {
  if (!quantiles) return nullptr;
  Json body = Json::object();
  body["p50"] = rounded(quantiles->p50_ms);
  body["p99"] = rounded(quantiles->p99_ms);
  return body;
}

Json history_json(const TrafficView& traffic) {
  Json body = Json::object();
  body["step_seconds"] = traffic.step_seconds;
  for (const char* name : {"requests_per_second", "errors_per_second", "p50_ms", "p99_ms"})
    body[name] = Json::array();
  for (const TrafficView::Point& point : traffic.history) {
    body["requests_per_second"].push_back(rounded(point.requests_per_second));
    body["errors_per_second"].push_back(rounded(point.errors_per_second));
    const bool known = point.latency.has_value();
    body["p50_ms"].push_back(known ? Json(rounded(point.latency->p50_ms)) : Json(nullptr));
    body["p99_ms"].push_back(known ? Json(rounded(point.latency->p99_ms)) : Json(nullptr));
  }
  return body;
}

Json traffic_json(const TrafficView& traffic, bool with_history) {
  Json body = Json::object();
  body["requests_per_second"] = rounded(traffic.requests_per_second);
  body["errors_per_second"] = rounded(traffic.errors_per_second);
  body["latency_ms"] = quantiles_json(traffic.latency);
  body["overhead_ms"] = quantiles_json(traffic.overhead);
  body["requests_total"] = traffic.requests;
  body["errors_total"] = traffic.errors;
  if (with_history) body["history"] = history_json(traffic);
  return body;
}

Json counts_json(const NamedCounts& counts) {
  Json body = Json::object();
  for (const auto& [name, count] : counts) body[name] = count;
  return body;
}

Json entry_json(const TimelineEntry& entry) {
  Json body = Json::object();
  body["time"] = entry.time;
  body["level"] = entry.level;
  body["event"] = entry.event;
  body["count"] = entry.count;
  body["fields"] = Json::parse(entry.fields, nullptr, false);
  if (!body["fields"].is_object()) body["fields"] = Json::object();
  return body;
}

Json pool_state_json(const PoolHealth& health, const PoolView& view, bool with_history) {
  Json body = pool_json(health);
  body["usable"] = health.usable;
  body["balance"] = view.balance;
  std::int64_t streams = 0;
  std::int64_t in_flight = 0;
  Json backends = Json::array();
  for (const BackendView& backend : view.backends) {
    streams += backend.streams;
    in_flight += backend.in_flight;
    backends.push_back(backend_json(backend));
    backends.back()["traffic"] = traffic_json(backend.traffic, with_history);
  }
  body["streams"] = streams;
  body["in_flight"] = in_flight;
  body["session_events"] = counts_json(view.session_events);
  body["traffic"] = traffic_json(view.traffic, with_history);
  body["backends"] = std::move(backends);
  return body;
}

// Counts a page that follows, for as long as it does.
class Follower {
 public:
  explicit Follower(std::size_t& count) : count_(count) { ++count_; }
  ~Follower() { --count_; }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

 private:
  std::size_t& count_;
};

}  // namespace

wire::Reply Admin::state(const Call& call) const {
  const std::string only = parameter(call.head.query, "pool");
  const bool with_history = parameter(call.head.query, "history") != "no";
  const HealthReport report = view_.health();
  const std::vector<PoolView> pools = view_.pools();
  if (!only.empty() && find_pool(pools, only) == nullptr) {
    return error_reply(404, "no_such_pool", no_such_pool(pools, only));
  }
  const ActivityView activity = view_.activity();
  Json body = general_json(report);
  body["time"] = activity.time;
  body["client_connections"] = activity.client_connections;
  body["workers"] = activity.workers;
  body["store"] = store_json(report.store);
  body["traffic"] = traffic_json(activity.traffic, with_history);
  body["local_replies"] = counts_json(activity.local_replies);
  body["limit_hits"] = counts_json(activity.limit_hits);
  body["pools"] = Json::array();
  for (const PoolHealth& health : report.pools) {
    if (!only.empty() && health.name != only) continue;
    const PoolView* const view = find_pool(pools, health.name);
    if (view != nullptr) body["pools"].push_back(pool_state_json(health, *view, with_history));
  }
  body["timeline"] = Json::array();
  for (const TimelineEntry& entry : activity.timeline)
    body["timeline"].push_back(entry_json(entry));
  return json_reply(200, body);
}

// Those who follow everything share what was made within half an interval: it is the loop that
// accepts connections.
wire::Reply Admin::followed_state(const Call& call) {
  if (!call.head.query.empty()) return state(call);
  const TimePoint now = monotonic_ms();
  if (now - shared_at_ >= limits::admin_event_interval.count() / 2) {
    shared_state_ = state(call);
    shared_at_ = now;
  }
  return shared_state_;
}

// The same as server-sent events, until the client leaves.
Task<void> Admin::follow(const Call& call, wire::ReplyWriter& writer) {
  wire::Reply first = followed_state(call);
  if (first.status != 200 || followers_ >= limits::admin_event_streams_max) {
    if (first.status == 200) {
      count_limit_hit(Limit::admin_event_streams);
      first = error_reply(503, "overloaded", "too many follow already: ask again later");
      first.fields.emplace_back("Retry-After", "5");
    }
    const auto refused = co_await writer.send(std::move(first));
    static_cast<void>(refused);
    co_return;
  }
  const Follower follower(followers_);
  wire::Reply head;
  head.content_type = "text/event-stream";
  head.fields.emplace_back("Cache-Control", "no-store");
  auto written = co_await writer.begin(std::move(head));
  const bool head_only = call.head.method == http::Method::head;
  while (written && !head_only) {
    // The body ends with the only line break that it has.
    std::string event = "event: state\ndata: " + first.body + "\n";
    auto sent = co_await writer.write(std::move(event));
    if (!sent) co_return;
    co_await view_.pause(limits::admin_event_interval);
    first = followed_state(call);
    if (first.status != 200) break;  // the pool that it follows is gone
  }
  if (!written || head_only) co_return;
  auto ended = co_await writer.finish();
  static_cast<void>(ended);
}

}  // namespace mcplb::admin
