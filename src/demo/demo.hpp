// What `mcplb demo` serves and prints: three plain MCP servers on loopback, and what to try.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/result.hpp"

namespace mcplb::demo {

// Three demo servers on one thread and loop of their own, each with a listener on a free port of
// 127.0.0.1. Destroying it closes their connections and joins the thread.
class DemoServers {
 public:
  static constexpr int replicas = 3;
  // Connections of all three; further ones are closed at once.
  static constexpr std::size_t connections_max = 4096;

  static Result<std::unique_ptr<DemoServers>> start();
  ~DemoServers();
  DemoServers(const DemoServers&) = delete;
  DemoServers& operator=(const DemoServers&) = delete;

  // "http://127.0.0.1:PORT", in the order of their names replica-1, replica-2, replica-3.
  std::vector<std::string> urls() const;

 private:
  struct State;
  explicit DemoServers(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What to try, each line ready to be pasted into bash. Addresses are host:port.
std::string demo_guide(std::string_view main_address, std::string_view admin_address);

}  // namespace mcplb::demo
