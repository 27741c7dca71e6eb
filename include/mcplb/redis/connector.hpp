// How connections to servers and sentinels are opened; tests hand out in-memory ones.
#pragma once

#include <memory>

#include "mcplb/async/task.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/redis/settings.hpp"

namespace mcplb::redis {

class Connector {
 public:
  virtual ~Connector() = default;
  Connector() = default;
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  // A connection on which nothing was said yet.
  virtual Task<Result<std::unique_ptr<net::Stream>>> connect(Endpoint endpoint,
                                                             Deadline deadline) = 0;
};

// Over the network or a unix socket. Used on its loop only; outlives the clients that use it.
class NetConnector final : public Connector {
 public:
  NetConnector(net::Loop& loop, net::Resolver& resolver) : loop_(loop), resolver_(resolver) {}
  Task<Result<std::unique_ptr<net::Stream>>> connect(Endpoint endpoint,
                                                     Deadline deadline) override;

 private:
  net::Loop& loop_;
  net::Resolver& resolver_;
};

}  // namespace mcplb::redis
