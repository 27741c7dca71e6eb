// The HTTP API for operators and probes, on a listener of its own. Sees the rest of the process
// only through View, whose callbacks are called on the loop that serves the connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/admin/backends.hpp"
#include "mcplb/admin/sessions.hpp"
#include "mcplb/admin/settings.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/log_budget.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/wire/server.hpp"

namespace mcplb::cluster {
class Registration;
}

namespace mcplb::admin {

struct PoolHealth {
  std::string name;
  std::size_t backends = 0;
  std::size_t usable = 0;  // of them
  std::int64_t sessions = 0;
};

// Where the sessions are kept.
struct StoreHealth {
  std::string kind = "memory";  // or redis
  bool connected = true;
  std::size_t waiting = 0;  // deleted sessions that the store has yet to hear of
};

struct HealthReport {
  std::string instance;
  std::string version;
  std::int64_t uptime_seconds = 0;
  std::int64_t active_sessions = 0;
  std::vector<PoolHealth> pools;
  StoreHealth store;
};

struct View {
  std::function<HealthReport()> health;
  // False before the listeners accept and as soon as a stop begins.
  std::function<bool()> ready;
  std::function<SessionsAnswer(const SessionsQuery&)> sessions;
  std::function<Task<SessionAnswer>(SessionQuery)> session;
  // Every pool and all its backends, those included that are leaving.
  std::function<std::vector<PoolView>()> pools;
  std::function<ActivityView()> activity;
  // Prometheus text, and the effective configuration as JSON without its secrets.
  std::function<std::string()> metrics;
  std::function<std::string()> configuration;
  // Ends after so long.
  std::function<Task<void>(milliseconds)> pause;
  // Asked only for a backend that pools() shows; answers with what it is then. An error when it
  // has just left.
  std::function<Result<BackendView>(const BackendCommand&)> change_backend;
  std::function<Task<ReloadAnswer>()> reload;
  // Backends that announce themselves; null when that is switched off.
  std::function<cluster::Registration*()> registration;
};

// Lives on one loop. Outlives the connections that it serves.
class Admin final : public wire::Handler {
 public:
  Admin(Settings settings, View view);

  Task<void> handle(const wire::Request& request, wire::ReplyWriter& writer) override;

 private:
  // What an endpoint's method gets to see. Lives in handle().
  struct Call {
    const http::RequestHead& head;
    std::string_view body;
    std::vector<std::string_view> parts;  // what stands for each {} of the path, not decoded
  };
  // One line each in the table in admin.cpp.
  struct Endpoint {
    http::Method method;
    std::string_view path;
    wire::Reply (Admin::*answer)(const Call& call) const;        // or
    Task<wire::Reply> (Admin::*later)(const Call& call) const;   // for what has to wait
    std::string_view command = "";  // its name in the audit log
    // Instead of an answer, for one that goes on.
    Task<void> (Admin::*stream)(const Call& call, wire::ReplyWriter& writer) = nullptr;
  };
  static const Endpoint endpoints[];
  static const Endpoint* find_endpoint(Call& call);  // null: none has this path and method
  static std::string allowed_methods(std::string_view path);

  // `endpoint` may be null, `call` belongs to an ancestor.
  Task<wire::Reply> answer(const Endpoint* endpoint, const Call& call);
  std::optional<wire::Reply> refuse(const Endpoint* endpoint, const Call& call) const;
  bool may_see(const http::RequestHead& head) const;
  void note_command(const wire::Request& request, const Endpoint& endpoint, const Call& call,
                    int status);

  wire::Reply dashboard(const Call& call) const;
  wire::Reply health(const Call& call) const;
  wire::Reply live(const Call& call) const;
  wire::Reply ready(const Call& call) const;
  wire::Reply metrics(const Call& call) const;
  wire::Reply configuration(const Call& call) const;
  wire::Reply state(const Call& call) const;
  wire::Reply followed_state(const Call& call);
  Task<void> follow(const Call& call, wire::ReplyWriter& writer);
  wire::Reply sessions(const Call& call) const;
  Task<wire::Reply> session(const Call& call) const;
  wire::Reply cluster_status(const Call& call) const;
  wire::Reply nodes(const Call& call) const;
  wire::Reply replicas(const Call& call) const;
  wire::Reply drain(const Call& call) const { return change(call, BackendMode::draining); }
  wire::Reply activate(const Call& call) const { return change(call, BackendMode::active); }
  wire::Reply disable(const Call& call) const { return change(call, BackendMode::disabled); }
  wire::Reply change(const Call& call, BackendMode mode) const;
  Task<wire::Reply> reload(const Call& call) const;
  wire::Reply register_node(const Call& call) const;
  wire::Reply heartbeat(const Call& call) const;
  wire::Reply remove_node(const Call& call) const;

  Settings settings_;
  View view_;
  wire::Reply shared_state_;
  TimePoint shared_at_ = -limits::admin_event_interval.count();
  std::size_t followers_ = 0;  // of /api/events; at most limits::admin_event_streams_max
  LogBudget refused_lines_{limits::refused_command_lines_per_second};
};

// `unhealthy`: no pool has a usable backend. `degraded`: some backend is down. Else `healthy`.
std::string_view status_of(const HealthReport& report);

}  // namespace mcplb::admin
