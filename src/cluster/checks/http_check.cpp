// GET of a path that the server answers with 200-399 while it is well.
#include <utility>

#include "mcplb/wire/call.hpp"

#include "cluster/checks/checks.hpp"

namespace mcplb::cluster {
namespace {

// What else the reply says is nobody's.
class StatusOnly final : public wire::ReplySink {
 public:
  bool on_head(const wire::CallHead& head) override {
    status = head.status;
    return false;
  }
  bool on_content(std::string_view) override { return false; }

  int status = 0;
};

class HttpCheck final : public Check {
 public:
  explicit HttpCheck(CheckTarget target) : target_(std::move(target)) {}

  Task<CheckAnswer> run(Deadline deadline) override {
    CheckAnswer answer;
    auto stream = co_await target_.connector.connect(target_.backend, deadline);
    if (!stream) {
      answer.text = stream.error().what;
      co_return answer;
    }
    wire::CallRequest request;
    request.method = http::Method::get;
    request.target = target_.path;
    request.fields = {{"Host", target_.host}, {"User-Agent", check_user_agent}, {"Accept", "*/*"}};
    StatusOnly reply;
    auto ended = co_await wire::call(**stream, std::move(request), reply, deadline);
    if (!ended) {
      answer.text = ended.error().what;
      co_return answer;
    }
    answer.good = reply.status >= 200 && reply.status < 400;
    answer.text = "status " + std::to_string(reply.status);
    co_return answer;
  }

 private:
  const CheckTarget target_;
};

}  // namespace

std::unique_ptr<Check> make_http_check(CheckTarget target) {
  return std::make_unique<HttpCheck>(std::move(target));
}

}  // namespace mcplb::cluster
