#include "mcplb/redis/connector.hpp"

#include <utility>

namespace mcplb::redis {
namespace {

Task<Result<std::unique_ptr<net::Stream>>> connect_plain(net::Loop& loop, net::Resolver& resolver,
                                                         Endpoint endpoint, Deadline deadline) {
  if (endpoint.path.empty()) {
    co_return co_await net::connect_host(loop, resolver, std::move(endpoint.host), endpoint.port,
                                         deadline);
  }
  auto address = net::Address::from_unix_path(endpoint.path);
  if (!address) co_return address.error();
  co_return co_await net::connect(loop, *address, deadline);
}

}  // namespace

Task<Result<std::unique_ptr<net::Stream>>> NetConnector::connect(Endpoint endpoint,
                                                                 Deadline deadline) {
  const bool tls = endpoint.tls;
  // The seam for TLS: a stream around the plain one, made here. Configuration refuses rediss://
  // until then.
  if (tls) {
    co_return Error{Error::Kind::config, Error::Side::self, 0, "TLS to the store is not built yet"};
  }
  co_return co_await connect_plain(loop_, resolver_, std::move(endpoint), deadline);
}

}  // namespace mcplb::redis
