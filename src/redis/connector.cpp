#include "mcplb/redis/connector.hpp"

#include <string>
#include <utility>

#include "mcplb/base/assert.hpp"

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
  std::string server = endpoint.host;
  auto stream = co_await connect_plain(loop_, resolver_, std::move(endpoint), deadline);
  if (!tls || !stream) co_return stream;
  MCPLB_ASSERT(tls_ != nullptr);
  auto secured = co_await net::tls_connect(loop_, *std::move(stream), *tls_, std::move(server),
                                           deadline);
  if (secured || secured.error().kind != Error::Kind::timeout) co_return secured;
  // A server that waits for the end of a plain command shows nothing else.
  Error silent = secured.error();
  silent.what = "no answer to the TLS handshake: is this a port for TLS?";
  co_return silent;
}

}  // namespace mcplb::redis
