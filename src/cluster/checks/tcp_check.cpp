// A connection is accepted, and TLS agreed upon where the backend speaks it. The kernel answers for
// a process that hangs: this check finds processes and hosts that are gone.
#include <utility>

#include "cluster/checks/checks.hpp"

namespace mcplb::cluster {
namespace {

class TcpCheck final : public Check {
 public:
  explicit TcpCheck(CheckTarget target) : target_(std::move(target)) {}

  Task<CheckAnswer> run(Deadline deadline) override {
    CheckAnswer answer;
    auto stream = co_await target_.connector.connect(target_.backend, deadline);
    answer.good = static_cast<bool>(stream);
    answer.text = stream ? "connected" : stream.error().what;
    co_return answer;
  }

 private:
  const CheckTarget target_;
};

}  // namespace

std::unique_ptr<Check> make_tcp_check(CheckTarget target) {
  return std::make_unique<TcpCheck>(std::move(target));
}

}  // namespace mcplb::cluster
