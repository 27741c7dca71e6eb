#include "proxy/orphan.hpp"

#include <utility>

#include "mcplb/base/log.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/http/writer.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/wire/call.hpp"

namespace mcplb::proxy {
namespace {

constexpr std::size_t delete_reply_bytes_max = 64 * 1024;

std::string delete_request(const OrphanInitialize& orphan, std::string_view session) {
  std::string bytes = "DELETE " + orphan.target + " HTTP/1.1\r\n";
  http::append_field(bytes, "Host", orphan.host);
  if (!orphan.authorization.empty()) {
    http::append_field(bytes, "Authorization", orphan.authorization);
  }
  http::append_field(bytes, "Mcp-Session-Id", session);
  http::append_field(bytes, "Connection", "close");
  bytes += "\r\n";
  return bytes;
}

class OrphanJob final : public Job {
 public:
  OrphanJob(Context& context, OrphanInitialize orphan)
      : context_(context), orphan_(std::move(orphan)) {
    ++context_.orphans;
  }
  ~OrphanJob() override { --context_.orphans; }

 private:
  Task<void> run() override {
    const Deadline deadline = context_.loop.timers().in(limits::orphan_initialize);
    do {
      auto head = co_await orphan_.lease->replies.read_head(http::Method::post, deadline);
      if (!head) co_return;
    } while (orphan_.lease->replies.head().status < 200);
    const http::ReplyHead& head = orphan_.lease->replies.head();
    const std::string session(head.fields.get(http::Name::mcp_session_id));
    const bool minted = head.status < 300 && mcp::is_session_id(session);
    orphan_.lease.close();
    if (!minted) co_return;
    auto connected = co_await orphan_.pool->dispatcher.connect(*orphan_.backend, deadline);
    if (!connected) co_return;
    std::string request = delete_request(orphan_, session);
    cluster::Lease lease = std::move(*connected);
    auto reply = co_await wire::call(*lease->stream, std::move(request), http::Method::del,
                                     delete_reply_bytes_max, deadline);
    log::event(LogLevel::info, "orphan_session_deleted", "backend", orphan_.backend->name(),
               "status", reply ? reply->status : 0);
  }

  Context& context_;
  OrphanInitialize orphan_;
};

}  // namespace

void adopt_orphan(Context& context, OrphanInitialize orphan) {
  if (context.orphans >= limits::orphan_initializes_max) {
    count_limit_hit(Limit::orphan_initializes);
    return;
  }
  context.nursery.spawn(std::make_unique<OrphanJob>(context, std::move(orphan)));
}

}  // namespace mcplb::proxy
