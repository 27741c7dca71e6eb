// How connections to servers and sentinels are opened; tests hand out in-memory ones.
#pragma once

#include <memory>

#include "mcplb/async/task.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/net/tls.hpp"
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

// Over the network or a unix socket. Used on its loop only; outlives the clients that use it. `tls`
// is for endpoints of rediss:// and outlives it; null when there are none.
class NetConnector final : public Connector {
 public:
  NetConnector(net::Loop& loop, net::Resolver& resolver, const net::TlsClientContext* tls)
      : loop_(loop), resolver_(resolver), tls_(tls) {}
  Task<Result<std::unique_ptr<net::Stream>>> connect(Endpoint endpoint,
                                                     Deadline deadline) override;

 private:
  net::Loop& loop_;
  net::Resolver& resolver_;
  const net::TlsClientContext* tls_;
};

}  // namespace mcplb::redis
