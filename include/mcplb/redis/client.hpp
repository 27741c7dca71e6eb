// Commands to the shared store, over one connection that comes back by itself. One per loop, used
// on that loop only; many commands may wait at once. Nothing here waits for a connection: while
// there is none, commands fail at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/net/timers.hpp"
#include "mcplb/redis/command.hpp"
#include "mcplb/redis/connector.hpp"
#include "mcplb/redis/reply.hpp"
#include "mcplb/redis/settings.hpp"

namespace mcplb::redis {

// May be read on any thread.
struct Stats {
  Counter commands;  // that were sent
  Counter failures;  // that got no reply, or were not sent
  Counter timeouts;  // of the failures, those whose deadline passed
  Counter connects;
  Counter losses;   // of connections
  Gauge connected;  // 0 or 1
};

class Client {
 public:
  // The loop's timers and turns. `connector` outlives the client; the settings are copied and name
  // at least one endpoint. Not destroyed from inside of a task that waits for it; tasks that still
  // wait are never resumed.
  Client(net::Timers& timers, DeferQueue& turns, Connector& connector, const Settings& settings);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Connects in the background from now on. `on_connected` is called each time when commands are
  // taken (again); it may send some, and must not destroy the client.
  void start(std::function<void()> on_connected);
  bool connected() const;
  const Stats& stats() const;

  // An error that the server answers is a reply. Errors:
  //   unreachable  not sent: the store is away. Nor will it have been done.
  //   overloaded   not sent: limits::redis_commands_max or redis_queued_bytes_max
  //   timeout      no reply before the deadline, or a connection that fell silent: it may have
  //                been done or may still be
  //   others       the connection was lost meanwhile: it may have been done
  // Destroying the task gives up waiting, not the command.
  Task<Result<Reply>> command(Command command, Deadline deadline);

  struct ScriptCall {
    std::vector<std::string> keys;
    std::vector<std::string> arguments;
  };
  // Runs a script by its hash, or with its source when the server does not know it. The first use
  // costs a round trip more.
  Task<Result<Reply>> script(const Script& script, ScriptCall call, Deadline deadline);

  // The configured timeout, from now.
  Deadline in_time() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace mcplb::redis
