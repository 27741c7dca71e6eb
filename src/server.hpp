// The composition root: the only place that knows every floor. Builds them from a configuration,
// runs the control loop on the calling thread, and takes them down again in order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mcplb/base/result.hpp"
#include "mcplb/config/config.hpp"

namespace mcplb {

class Server {
 public:
  // Loads the configuration again, for a reload. Called on the thread of run().
  using Loader = std::function<config::Outcome()>;

  // `load` is empty when there is nothing to load again.
  explicit Server(config::Settings settings, Loader load = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens and starts the workers. On an error `message` says which address and why.
  bool start(std::string& message);
  // Until SIGTERM or SIGINT, and the graceful stop after it.
  void run();

  // "127.0.0.1:8080", with the ports that were chosen for port 0.
  std::string listen_address() const;
  std::string admin_address() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mcplb
