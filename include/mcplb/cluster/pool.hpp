// The replicas of one MCP server. `Pool` is shared by all threads; `Dispatcher` is one worker's way
// to its members: its balancer and its connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/async/task.hpp"
#include "mcplb/base/published.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/balancer.hpp"
#include "mcplb/cluster/ejection.hpp"
#include "mcplb/cluster/lease.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"

namespace mcplb::cluster {

// A pool as it is at one moment. Backends are owned by the registry.
struct PoolView {
  PoolSettings settings;
  std::vector<Backend*> backends;  // its members

  Backend* find(std::string_view backend_name) const;
  Backend* find(BackendId id) const;
  std::size_t healthy_count() const;
};

// Owned by the server. Thread-safe, but changed on one thread only.
class Pool {
 public:
  // Its members are the backends that the settings name.
  Pool(PoolSettings settings, Registry& registry);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const std::string& name() const { return name_; }
  std::shared_ptr<const PoolView> view() const { return views_.get(); }
  const Published<PoolView>& views() const { return views_; }
  void set_view(PoolView view) { views_.set(std::move(view)); }
  std::atomic<std::uint64_t>& cursor() { return cursor_; }
  Ejector& ejector() { return ejector_; }

 private:
  const std::string name_;
  Published<PoolView> views_;
  std::atomic<std::uint64_t> cursor_{0};
  Ejector ejector_;
};

// Owned by a worker, used on its loop only.
class Dispatcher {
 public:
  Dispatcher(net::Loop& loop, net::Resolver& resolver, Pool& pool, const http::Settings& http);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  Pool& pool() { return pool_; }
  // The pool as it is now. What it hands out is good until control is given up (co_await): the next
  // look may be at another view.
  const PoolView& view();
  // The usable backends, best first; empty when none is. Those that refused a connection lately
  // come only when nothing else is left, and after them those that are ejected. The view ends with
  // the next call.
  const std::vector<Backend*>& rank(std::uint64_t key);
  // How a try at a backend went. Costs one load while all goes well.
  void report(Backend& backend, Served served) {
    if (served == Served::good && backend.health().failures() == 0) return;
    pool_.ejector().report(backend, served, *view_, loop_.now());
  }

  // An idle connection that can be trusted, if there is one.
  Lease take_idle(Backend& backend);
  // A new connection. Marks the backend when it refuses.
  Task<Result<Lease>> connect(Backend& backend, Deadline deadline);
  // Closes every idle connection, for a stop.
  void close_idle();

 private:
  net::Loop& loop_;
  net::Resolver& resolver_;
  Pool& pool_;
  const http::Settings& http_;
  Subscription<PoolView> view_;
  KeepaliveSettings keepalive_;  // the view's
  Balance policy_;               // of balancer_
  std::unique_ptr<Balancer> balancer_;
  std::vector<Backend*> candidates_;
  std::vector<Backend*> order_;
  // By BackendId; null where there was nothing to connect to. Leases refer to them, so they stay.
  std::vector<std::unique_ptr<ConnectionPool>> connections_;

  template <class Usable>
  bool gather(const PoolView& members, Usable usable);
  void take_over_view();
  ConnectionPool& connections_of(Backend& backend);
  void note_tls_failure(Backend& backend, const Error& error);
};

}  // namespace mcplb::cluster
