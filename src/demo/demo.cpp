#include "demo/demo.hpp"

#include <optional>
#include <thread>
#include <utility>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/wire/server.hpp"

#include "demo/demo_server.hpp"

namespace mcplb::demo {

// Made on the starting thread, used on its own, and destroyed when that one has ended.
struct DemoServers::State {
  struct Replica {
    std::unique_ptr<DemoServer> server;
    std::unique_ptr<net::Acceptor> acceptor;
    std::string url;
  };

  http::Settings http{.request_bytes_max = DemoServer::body_bytes_max};
  net::Loop loop{limits::buffer_block_bytes};
  std::vector<Replica> replicas;
  std::optional<Nursery> connections;  // they use the servers, so they end before those
  std::thread thread;

  Result<void> add(const std::string& name);
  void accept(net::Acceptor::Accepted accepted, DemoServer& server);
  void run();
};

Result<void> DemoServers::State::add(const std::string& name) {
  net::ListenerSettings settings;
  settings.address = "127.0.0.1:0";
  settings.name = name;
  Replica replica;
  replica.server = std::make_unique<DemoServer>(loop, name);
  DemoServer* const server = replica.server.get();
  auto on_accept = [this, server](net::Acceptor::Accepted accepted) {
    accept(std::move(accepted), *server);
  };
  auto acceptor = net::Acceptor::listen(loop, settings, std::move(on_accept));
  if (!acceptor) return acceptor.error();
  replica.acceptor = std::move(*acceptor);
  replica.url = "http://" + replica.acceptor->local_address().text();
  replicas.push_back(std::move(replica));
  return {};
}

void DemoServers::State::accept(net::Acceptor::Accepted accepted, DemoServer& server) {
  // The stream owns the socket, so that dropping it closes the connection.
  auto stream = net::adopt_socket(loop, accepted.fd, accepted.peer);
  if (!stream || connections->size() >= connections_max) return;
  connections->spawn(wire::serve_connection(loop, std::move(*stream), http, server));
}

void DemoServers::State::run() {
  loop.run();
  for (Replica& replica : replicas)
    replica.acceptor.reset();
  connections.reset();
}

Result<std::unique_ptr<DemoServers>> DemoServers::start() {
  auto state = std::make_unique<State>();
  state->connections.emplace(state->loop);
  for (int number = 1; number <= replicas; ++number) {
    const auto added = state->add("replica-" + std::to_string(number));
    if (!added) return added.error();
  }
  State* const running = state.get();
  state->thread = std::thread([running] { running->run(); });
  return std::unique_ptr<DemoServers>(new DemoServers(std::move(state)));
}

DemoServers::DemoServers(std::unique_ptr<State> state) : state_(std::move(state)) {}

DemoServers::~DemoServers() {
  state_->loop.stop();
  state_->thread.join();
}

std::vector<std::string> DemoServers::urls() const {
  std::vector<std::string> urls;
  for (const State::Replica& replica : state_->replicas)
    urls.push_back(replica.url);
  return urls;
}

}  // namespace mcplb::demo
