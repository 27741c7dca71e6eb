#include "proxy/orphan.hpp"

#include <utility>

#include "mcplb/base/log.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/session/farewells.hpp"

namespace mcplb::proxy {
namespace {

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
    session::Deletion deletion;
    deletion.session = session;
    deletion.target = orphan_.target;
    deletion.host = orphan_.host;
    deletion.authorization = orphan_.authorization;
    cluster::Lease lease = std::move(*connected);
    auto status = co_await session::delete_session(*lease->stream, std::move(deletion), deadline);
    log::event(LogLevel::info, "orphan_session_deleted", "backend", orphan_.backend->name(),
               "status", status ? *status : 0);
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
