#include "backend/server.hpp"

#include <utility>

#include "mcplb/base/random.hpp"

#include "backend/connection.hpp"

namespace mcplb::bench {

std::string Sessions::open() {
  if (ids_.size() >= sessions_max) return {};
  std::string id;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = secret_random64();
    for (int digit = 0; digit < 16; ++digit, bits >>= 4)
      id += "0123456789abcdef"[bits & 15];
  }
  ids_.insert(id);
  return id;
}

bool Sessions::close(std::string_view id) {
  const auto found = ids_.find(id);
  if (found == ids_.end()) return false;
  ids_.erase(found);
  return true;
}

Server::Server(net::Loop& loop, std::string name, bool any_session)
    : loop_(loop),
      connections_(loop) {
  shared_.name = std::move(name);
  shared_.any_session = any_session;
}

Result<std::string> Server::listen(const std::string& address) {
  net::ListenerSettings settings;
  settings.address = address;
  auto on_accept = [this](const net::Acceptor::Accepted& accepted) { accept(accepted); };
  auto acceptor = net::Acceptor::listen(loop_, settings, std::move(on_accept));
  if (!acceptor) return acceptor.error();
  acceptor_ = std::move(*acceptor);
  return acceptor_->local_address().text();
}

void Server::accept(const net::Acceptor::Accepted& accepted) {
  // The stream owns the socket, so that dropping it closes the connection.
  auto stream = net::adopt_socket(loop_, accepted.fd, accepted.peer);
  if (!stream || connections_.size() >= connections_max) return;
  connections_.spawn(make_connection(loop_, std::move(*stream), shared_));
}

}  // namespace mcplb::bench
