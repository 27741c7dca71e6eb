// What one worker lends to its client connections. Owned by the worker, used on its loop only;
// what is shared between workers is named so.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/intrusive_list.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/net/address.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/proxy/router.hpp"
#include "mcplb/proxy/settings.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/redis/client.hpp"
#include "mcplb/redis/connector.hpp"
#include "mcplb/session/ask.hpp"
#include "mcplb/session/lookup.hpp"
#include "mcplb/session/move.hpp"
#include "mcplb/session/store.hpp"
#include "mcplb/wire/request.hpp"
#include "proxy/in_flight.hpp"
#include "proxy/session_identity.hpp"

namespace mcplb::proxy {

struct Context;

// One pool as one worker serves it. Lives as long as the worker.
struct PoolContext {
  // `index` is its place in Policy::pools.
  PoolContext(Context& context, const PoolPolicy& policy, std::size_t index);

  const SharedPool& shared;
  session::Settings session;  // these two are overwritten when the policy changes
  ForwardSettings forward;
  cluster::Dispatcher dispatcher;
  SessionIdentity identity;
  session::LookupScope lookup_scope;
  PoolMetrics& metrics;
};

// This worker's connection to the store that balancers share.
struct StoreLink {
  StoreLink(net::Loop& loop, net::Resolver& resolver, Nursery& nursery, const SharedState& state)
      : connector(loop, resolver, state.store_tls),
        client(loop.timers(), loop, connector, *state.store),
        sessions(client, nursery, state.store->prefix, state.instance) {}

  redis::NetConnector connector;
  redis::Client client;
  session::Store sessions;
};

// What an exchange fills anew for each request, in memory that is reused.
struct Scratch {
  wire::Request request;
  mcp::Message message;
  std::string request_id;
  std::string client_head;

  void clear() {
    request.clear();
    message.clear();
    request_id.clear();
    client_head.clear();
  }
};

// The trusted peer's X-Request-Id, or a new one.
void set_request_id(Scratch& scratch, bool trusted);

// Finished scratch, kept with the memory that it has grown.
class ScratchStore {
 public:
  std::unique_ptr<Scratch> take() {
    if (spare_.empty()) return std::make_unique<Scratch>();
    auto scratch = std::move(spare_.back());
    spare_.pop_back();
    return scratch;
  }
  void give_back(std::unique_ptr<Scratch> scratch) {
    if (!scratch || spare_.size() >= limits::scratch_kept) return;
    scratch->clear();
    spare_.push_back(std::move(scratch));
  }

 private:
  std::vector<std::unique_ptr<Scratch>> spare_;
};

// A connection that waits for the first byte of its next request; linked only meanwhile.
class IdleConnection final : public ListNode {
 public:
  explicit IdleConnection(net::Stream& stream) : stream_(stream) {}
  void end() { stream_.interrupt(); }

 private:
  net::Stream& stream_;
};

struct Context {
  Context(net::Loop& worker_loop, const SharedState& shared_state, WorkerMetrics& counts);

  // Takes over what was published since, when a request or a connection begins.
  void refresh() {
    if (policy.refresh()) take_over_policy();
  }

  net::Loop& loop;
  const SharedState& shared;
  WorkerMetrics& metrics;
  Subscription<Policy> policy;
  // The policy as this worker acts on it. Overwritten in place, so that what refers to them goes on
  // with the new values.
  ClientSettings client;
  http::Settings http;
  net::Networks trusted;  // of client.trusted_proxies
  std::uint32_t trace_millionths = 0;
  std::vector<std::string> secrets;
  std::shared_ptr<const Router> router;  // who keeps a Route keeps this, too
  net::Resolver resolver;
  std::vector<std::unique_ptr<PoolContext>> pools;  // in the order of Policy::pools
  mcp::Classifier classifier;
  ScratchStore scratch;
  std::string send_buffer;  // bytes for a backend, from when they are made until they are sent
  IntrusiveList<InFlight> in_flight;
  IntrusiveList<IdleConnection> idle_connections;
  std::size_t orphans = 0;  // initializes that go on without their client
  std::unique_ptr<StoreLink> store;  // null: sessions live in this process only
  session::Asker asker;
  session::Lookup lookup;
  session::Mover mover;
  bool stopping = false;    // replies say Connection: close, idle connections end
  Nursery nursery;          // connections and orphans; dies first, they use all of the above

 private:
  void take_over_policy();
};

}  // namespace mcplb::proxy
