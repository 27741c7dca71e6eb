#include "proxy/context.hpp"

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

// What the control loop holds, and the context of one worker.
struct Process {
  Process() {
    add_pool("tools");
    publish(policy);
  }

  void add_pool(const char* name) {
    cluster::PoolSettings settings;
    settings.name = name;
    const milliseconds idle(1000);
    shared.pools.push_back(std::make_unique<SharedPool>(std::move(settings), idle, registry));
    session::Settings sessions;
    sessions.identity = session::Identity::sealed;
    policy.pools.push_back({shared.pools.back().get(), sessions, {}});
  }
  void publish(Policy next) { shared.policy.set(std::move(next)); }
  void route_to(const char* path, std::size_t pool) {
    Route route;
    route.match.path = path;
    route.pool = pool;
    policy.router = Router({route});
  }

  cluster::Registry registry;
  SharedState shared;
  Policy policy{{}, {}, Router({}), {}, {"the first secret"}, {}};
};

struct Worker {
  explicit Worker(const Process& process) : context(loop, process.shared, metrics) {}
  net::Loop loop{limits::buffer_block_bytes};
  WorkerMetrics metrics{nullptr};
  Context context;
};

}  // namespace

TEST_SUITE("proxy/context") {
  TEST_CASE("settings change in place, when a request begins") {
    Process process;
    Worker worker(process);
    Context& context = worker.context;
    const ForwardSettings& forward = context.pools[0]->forward;
    const http::Settings& http = context.http;
    process.policy.pools[0].forward.retries = 7;
    process.policy.pools[0].session.max_per_backend = 3;
    process.policy.http.headers_max = 9;
    process.policy.client.client_connections_max = 5;
    process.publish(process.policy);
    CHECK(forward.retries == 2);
    context.refresh();
    CHECK(forward.retries == 7);
    CHECK(context.pools[0]->session.max_per_backend == 3);
    CHECK(http.headers_max == 9);
    CHECK(context.client.client_connections_max == 5);
  }

  TEST_CASE("whoever keeps the router keeps its routes") {
    Process process;
    process.route_to("/old", 0);
    process.publish(process.policy);
    Worker worker(process);
    const std::shared_ptr<const Router> kept = worker.context.router;
    const Route* const route = kept->find("main", "example.org", "/old");
    REQUIRE(route != nullptr);
    process.route_to("/new", 0);
    process.publish(process.policy);
    worker.context.refresh();
    CHECK(worker.context.router->find("main", "example.org", "/old") == nullptr);
    CHECK(worker.context.router->find("main", "example.org", "/new") != nullptr);
    CHECK(route->match.path == "/old");
  }

  TEST_CASE("new pools come behind those that were there, which stay where they are") {
    Process process;
    Worker worker(process);
    const PoolContext* const first = worker.context.pools[0].get();
    process.add_pool("more");
    process.route_to("/more", 1);
    process.publish(process.policy);
    worker.context.refresh();
    REQUIRE(worker.context.pools.size() == 2);
    CHECK(worker.context.pools[0].get() == first);
    const Route* const route = worker.context.router->find("main", "example.org", "/more");
    REQUIRE(route != nullptr);
    CHECK(worker.context.pools[route->pool]->shared.pool.name() == "more");
  }

  TEST_CASE("a new secret signs, and the old one verifies for as long as it is there") {
    Process process;
    cluster::BackendSettings settings;
    settings.id = "a";
    cluster::Backend* const backend = process.registry.add("tools", settings);
    process.shared.pools[0]->pool.set_view({{}, {backend}});
    Worker worker(process);
    SessionIdentity& ids = worker.context.pools[0]->identity;
    const http::Fields fields;
    const auto open = [&] {
      return ids.outside(SessionIdentity::Kind::session, "id", *backend, fields);
    };
    const auto is_known = [&](const std::string& session) {
      mcp::Message message;
      message.session = session;
      SessionIdentity::Named named;
      const auto found = ids.find(message, fields, monotonic_ms(), named);
      return found == SessionIdentity::Found::known;
    };
    const auto rotate = [&](std::vector<std::string> secrets) {
      process.policy.secrets = std::move(secrets);
      process.publish(process.policy);
      worker.context.refresh();
    };
    const std::string old_session = open();
    rotate({"the second secret", "the first secret"});
    const std::string new_session = open();
    CHECK(is_known(old_session));
    CHECK(is_known(new_session));
    rotate({"the second secret"});
    CHECK_FALSE(is_known(old_session));
    CHECK(is_known(new_session));
  }
}
