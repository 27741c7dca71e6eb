// One pool and its sessions, as long-lived as the process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/session/directory.hpp"
#include "mcplb/session/events.hpp"
#include "mcplb/session/store.hpp"
#include "mcplb/session/tombstones.hpp"

namespace mcplb::proxy {

// Event streams to clients, by what opened them.
enum class StreamKind : std::uint8_t {
  get,       // GET of a session
  post,      // the reply to a request
  listen,    // subscriptions/listen
  endpoint,  // GET of the 2024-11-05 transport: the session itself
  other,     // not MCP
  count_
};
std::string_view to_string(StreamKind kind);

// Shared by all workers; every part is thread-safe. Owned by the server.
struct SharedPool {
  SharedPool(cluster::PoolSettings settings, milliseconds session_idle_timeout,
             cluster::Registry& registry)
      : pool(std::move(settings), registry),
        sessions(registry),
        endpoint_sessions(registry),
        tombstones(session_idle_timeout),
        store_scope{pool.name(), session_idle_timeout} {}

  // sessions.idle_timeout, for what is noted from now on.
  void set_idle_timeout(milliseconds timeout) {
    tombstones.set_lifetime(timeout);
    store_scope.idle = timeout;
  }

  mutable cluster::Pool pool;  // its cursor and backends are atomics
  mutable session::Directory sessions;
  mutable session::Directory endpoint_sessions;  // of the 2024-11-05 transport
  mutable session::Tombstones tombstones;        // of sealed sessions
  session::StoreScope store_scope;
  mutable session::EventCounts session_events;
  mutable std::array<Gauge, static_cast<std::size_t>(StreamKind::count_)> streams;  // open ones
};

}  // namespace mcplb::proxy
