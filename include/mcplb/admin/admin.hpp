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

#include "mcplb/admin/sessions.hpp"
#include "mcplb/admin/settings.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/wire/server.hpp"

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
};

// Lives on one loop. Outlives the connections that it serves.
class Admin final : public wire::Handler {
 public:
  Admin(Settings settings, View view);

  Task<void> handle(const wire::Request& request, wire::ReplyWriter& writer) override;

 private:
  // One line each in the table in admin.cpp.
  struct Endpoint {
    std::string_view path;
    wire::Reply (Admin::*answer)(std::string_view query) const;
  };
  static const Endpoint endpoints[];
  static const Endpoint* find_endpoint(std::string_view path);  // null: none has it

  // What is answered without looking for the endpoint's content.
  std::optional<wire::Reply> refuse(const http::RequestHead& head) const;
  bool may_see(const http::RequestHead& head) const;
  wire::Reply health(std::string_view query) const;
  wire::Reply live(std::string_view query) const;
  wire::Reply ready(std::string_view query) const;
  wire::Reply cluster_status(std::string_view query) const;
  wire::Reply sessions(std::string_view query) const;
  Task<wire::Reply> session(std::string_view id, std::string_view query) const;

  Settings settings_;
  View view_;
};

// `unhealthy`: no pool has a usable backend. `degraded`: some backend is down. Else `healthy`.
std::string_view status_of(const HealthReport& report);

}  // namespace mcplb::admin
