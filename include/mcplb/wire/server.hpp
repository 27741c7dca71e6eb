// A small HTTP/1.1 server over a Stream, for what we serve ourselves: admin API and demo servers.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/wire/request.hpp"

namespace mcplb::wire {

struct Reply {
  int status = 200;
  std::string content_type = "application/json";  // empty: none
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
};

// Writes the one answer to a request: a whole reply, or a head and then events.
class ReplyWriter {
 public:
  ReplyWriter(net::Stream& stream, const Request& request) : stream_(stream), request_(request) {}

  Task<Result<void>> send(Reply reply);
  // A chunked reply of unknown length (close-delimited for HTTP/1.0); reply.body is ignored.
  Task<Result<void>> begin(Reply head);
  Task<Result<void>> write(std::string content);
  Task<Result<void>> finish();
  bool answered() const { return answered_; }
  // The connection cannot carry another request.
  bool must_close() const { return must_close_; }

 private:
  net::Stream& stream_;
  const Request& request_;
  bool answered_ = false;
  bool must_close_ = false;
  bool chunked_ = false;
};

// Implemented by whoever answers. Outlives the connections that it serves.
class Handler {
 public:
  virtual ~Handler() = default;
  Handler() = default;
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  // Answers through `reply`. Cancelled (the task is destroyed) when the client leaves.
  virtual Task<void> handle(const Request& request, ReplyWriter& reply) = 0;
};

// Serves one connection until it ends: spawn it into the nursery of that loop. `peer` is who it is
// from, for logs.
std::unique_ptr<Job> serve_connection(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                                      const http::Settings& settings, Handler& handler,
                                      std::string peer = {});

}  // namespace mcplb::wire
