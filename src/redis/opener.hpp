// From a URL to a connection that takes commands: finds the server, by sentinels if there are
// some, logs in, and refuses what we cannot use. Shared by Client and Subscriber.
#pragma once

#include <memory>
#include <string>

#include "mcplb/redis/command.hpp"
#include "mcplb/redis/connector.hpp"
#include "mcplb/redis/reply.hpp"

namespace mcplb::redis {

// Errors that waiting does not heal have the kind `config`: what the operator wrote, or what
// stands at the other end, has to change. Used by one flow at a time.
class Opener {
 public:
  // `connector` and `settings` outlive it.
  Opener(net::Timers& timers, Connector& connector, const Settings& settings)
      : timers_(timers), connector_(connector), settings_(settings) {}

  // Nothing is unread on the stream, and no reply is due. Bounded by limits::redis_connect for
  // each server and sentinel that is asked.
  Task<Result<std::unique_ptr<net::Stream>>> open();

  // What open() reached last, or tried to: for the log.
  const std::string& server() const { return server_; }
  // The first word of the last error that a server answered ("WRONGPASS"), or "".
  const std::string& error_code() const { return error_code_; }

 private:
  using Opened = Result<std::unique_ptr<net::Stream>>;

  Task<Opened> open_server(Endpoint endpoint);
  Task<Opened> open_by_sentinels();
  Task<Result<Endpoint>> ask_sentinel(Endpoint sentinel);
  Task<Result<void>> log_in(net::Stream& stream, Deadline deadline);
  Task<Result<void>> refuse_cluster(net::Stream& stream, Deadline deadline);
  Task<Result<void>> select_db(net::Stream& stream, Deadline deadline);
  Task<Result<void>> check_is_master(net::Stream& stream, Deadline deadline);
  Task<Result<void>> check_is_ready(net::Stream& stream, Deadline deadline);
  // One command and its reply, with nothing else on the connection.
  Task<Result<Reply>> ask(net::Stream& stream, Command command, Deadline deadline);

  net::Timers& timers_;
  Connector& connector_;
  const Settings& settings_;
  std::string server_;
  std::string error_code_;
  std::size_t first_sentinel_ = 0;  // the one that knew the master last
};

// What a Redis Cluster answers when it is asked for a key, or when it is not whole.
bool is_cluster_error(const Reply& reply);
// What a server answers that cannot serve us at the moment, but another, or itself later, can.
bool is_passing_error(const Reply& reply);
Error cluster_refused();

}  // namespace mcplb::redis
