#include "mcplb/session/farewells.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/wire/call.hpp"

namespace mcplb::session {
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

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

// A record may come out of the store, where anybody may have written it.
bool can_be_sent(std::string_view session, const Place& place) {
  return mcp::is_session_id(session) && place.path.starts_with('/') && is_visible(place.path) &&
         !place.host.empty() && is_visible(place.host) && is_visible(place.protocol);
}

}  // namespace

Task<Result<int>> delete_session(net::Stream& stream, Deletion deletion, Deadline deadline) {
  wire::CallRequest request;
  request.method = http::Method::del;
  request.target = std::move(deletion.target);
  request.fields = {
      {"Host", std::move(deletion.host)},
      {"Authorization", std::move(deletion.authorization)},
      {"Mcp-Session-Id", std::move(deletion.session)},
      {"MCP-Protocol-Version", std::move(deletion.protocol)},
  };
  request.lines = std::move(deletion.lines);
  StatusOnly sink;
  auto ended = co_await wire::call(stream, std::move(request), sink, deadline);
  if (!ended) co_return ended.error();
  co_return sink.status;
}

Farewells::Farewells(Nursery& nursery, net::Timers& timers, Connect connect)
    : nursery_(nursery),
      timers_(timers),
      connect_(std::move(connect)) {}

void Farewells::say(cluster::Backend& owner, std::string session, Place place) {
  if (!can_be_sent(session, place)) {
    stats_.skipped.add();
    return;
  }
  if (waiting_.size() >= limits::farewells_max) {
    count_limit_hit(Limit::farewells);
    stats_.skipped.add();
    return;
  }
  waiting_.push_back({&owner, std::move(session), std::move(place)});
  if (flows_ >= limits::farewells_at_once) return;
  ++flows_;
  nursery_.spawn(flow());
}

Task<void> Farewells::flow() {
  while (!waiting_.empty()) {
    Farewell next = std::move(waiting_.front());
    waiting_.pop_front();
    if (!is_worth_trying(*next.owner)) {
      stats_.skipped.add();
      continue;
    }
    co_await say_one(std::move(next));
  }
  --flows_;
  if (flows_ == 0) silent_.clear();
}

bool Farewells::is_worth_trying(const cluster::Backend& owner) const {
  return owner.healthy() && std::find(silent_.begin(), silent_.end(), &owner) == silent_.end();
}

Task<void> Farewells::say_one(Farewell farewell) {
  const Deadline deadline = timers_.in(limits::farewell);
  auto connected = co_await connect_(*farewell.owner, deadline);
  if (!connected) {
    stats_.failed.add();
    silent_.push_back(farewell.owner);
    co_return;
  }
  cluster::Lease lease = std::move(*connected);
  Deletion deletion;
  deletion.session = std::move(farewell.session);
  deletion.target = std::move(farewell.place.path);
  deletion.host = std::move(farewell.place.host);
  deletion.protocol = std::move(farewell.place.protocol);
  auto status = co_await delete_session(*lease->stream, std::move(deletion), deadline);
  if (status) {
    note(*status);
    co_return;
  }
  stats_.failed.add();
  if (status.error().kind == Error::Kind::timeout) silent_.push_back(farewell.owner);
}

void Farewells::note(int status) {
  const bool fine = (status >= 200 && status < 300) || status == 404 || status == 405;
  if (fine) {
    stats_.deleted.add();
  } else if (status == 401 || status == 403) {
    stats_.refused.add();
  } else {
    stats_.failed.add();
  }
}

}  // namespace mcplb::session
