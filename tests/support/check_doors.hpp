// Connections for health checks, to backends that a test plays itself.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mcplb/base/limits.hpp"
#include "mcplb/cluster/health.hpp"

#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"

namespace mcplb::test {

class CheckDoors final : public cluster::CheckConnector {
 public:
  explicit CheckDoors(FakeClock& clock) : clock_(clock) {}

  Task<Result<std::unique_ptr<net::Stream>>> connect(cluster::Backend& backend,
                                                     Deadline deadline) override {
    ++connects[backend.name()];
    if (refusing.count(backend.name()) > 0) {
      co_return Error{Error::Kind::refused, Error::Side::backend, 0, "refused"};
    }
    if (hanging.count(backend.name()) > 0) {
      co_await clock_.timers().sleep(deadline);
      co_return Error{Error::Kind::timeout, Error::Side::backend, 0, "timeout"};
    }
    pipes.push_back(std::make_unique<Pipe>(clock_.timers(), buffers_));
    std::unique_ptr<net::Stream> near = std::move(pipes.back()->near);
    co_return std::move(near);
  }

  // What has been written to the newest connection since the last call.
  std::string request() {
    pump();
    return pipes.empty() ? std::string() : pipes.back()->far->take();
  }
  void send(const std::string& bytes) {
    pipes.back()->far->post(bytes);
    pump();
  }
  void reply(const std::string& status, const std::string& body = "",
             const std::string& fields = "Content-Type: application/json\r\n") {
    send("HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body);
  }
  void pump() {
    for (std::size_t i = 0; i < pipes.size(); ++i)
      pipes[i]->pump();
  }

 private:
  FakeClock& clock_;
  BufferPool buffers_{limits::buffer_block_bytes};

 public:
  std::set<std::string> refusing;
  std::set<std::string> hanging;
  std::map<std::string, int> connects;
  std::vector<std::unique_ptr<Pipe>> pipes;  // in the order in which they were opened
};

// The JSON-RPC id that a request carries.
inline std::string id_in(const std::string& request) {
  const std::size_t begin = request.find("\"id\":\"") + 6;
  return request.substr(begin, request.find('"', begin) - begin);
}
inline std::string result_for(const std::string& request, const std::string& result = "{}") {
  return R"({"jsonrpc":"2.0","id":")" + id_in(request) + R"(","result":)" + result + "}";
}
inline std::string error_for(const std::string& request, int code,
                             const std::string& message = "x") {
  return R"({"jsonrpc":"2.0","id":")" + id_in(request) + R"(","error":{"code":)" +
         std::to_string(code) + R"(,"message":")" + message + R"("}})";
}

}  // namespace mcplb::test
