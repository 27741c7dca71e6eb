#include "mcplb/cluster/registration.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/fake_clock.hpp"
#include "support/manual_defer_queue.hpp"

namespace mcplb::cluster {
namespace {

using Outcome = Registration::Outcome;

// A store that answers at once, and is shared by several registrations in a test.
class SharedNodes final : public NodeStore {
 public:
  explicit SharedNodes(test::FakeClock& clock) : clock_(clock) {}

  bool connected() const override { return !away; }
  Task<Result<bool>> save(Node node, Heard heard, milliseconds) override {
    const auto known = nodes.find(node.id);
    if (!heard.registered && known != nodes.end() && known->second.removed) co_return false;
    ++saves;
    const std::string id = node.id;
    const TimePoint at = clock_.now() - heard.age.count();
    if (!heard.registered && known != nodes.end()) known->second.at = at;
    else nodes[id] = {std::move(node), at, false};
    co_return true;
  }
  Task<Result<void>> remove(std::string id, milliseconds) override {
    Node node;
    node.id = id;
    nodes[id] = {std::move(node), clock_.now(), true};
    co_return {};
  }
  Task<Result<std::vector<Stored>>> load() override {
    std::vector<Stored> stored;
    for (const auto& [id, kept] : nodes)
      stored.push_back({kept.node, milliseconds(clock_.now() - kept.at), kept.removed});
    co_return stored;
  }

  struct Kept {
    Node node;
    TimePoint at = 0;
    bool removed = false;
  };
  std::map<std::string, Kept> nodes;
  bool away = false;
  int saves = 0;

 private:
  test::FakeClock& clock_;
};

// One balancer.
struct Balancer {
  test::ManualDeferQueue turns;
  std::map<std::string, std::vector<BackendSettings>> backends;  // by pool
  std::set<std::string> silent;                                  // POOL/ID
  std::vector<std::string> pools{"p"};
  Registration registration;
  Nursery nursery{turns};

  explicit Balancer(test::FakeClock& clock, NodeStore* store = nullptr)
      : registration(RegistrationSettings{true, milliseconds(15'000), milliseconds(30'000)},
                     links(), clock.timers(), store) {
    registration.start(nursery);
  }
  Registration::Links links() {
    Registration::Links made;
    made.pools = [this] { return pools; };
    made.read = [](const std::string& id, std::string& url, BackendSettings& backend) {
      if (!url.starts_with("http://")) return std::string("url wants a URL");
      if (url.ends_with("/")) url.pop_back();
      backend.id = id;
      backend.host = url.substr(7);
      return std::string();
    };
    made.taken = [](const std::string&, const std::string& id) { return id == "static"; };
    made.on_change = [this](const std::string& pool, std::vector<BackendSettings> list) {
      backends[pool] = std::move(list);
    };
    made.on_silent = [this](const std::string& pool, const std::string& id, bool is_silent) {
      if (is_silent) silent.insert(pool + "/" + id);
      else silent.erase(pool + "/" + id);
    };
    return made;
  }
  std::string hosts(const std::string& pool = "p") {
    std::string text;
    for (const BackendSettings& backend : backends[pool])
      text += (text.empty() ? "" : " ") + backend.host;
    return text;
  }
};

Node node(std::string id, std::string url, std::vector<std::string> pools = {}) {
  Node made;
  made.id = std::move(id);
  made.url = std::move(url);
  made.pools = std::move(pools);
  return made;
}

TEST_SUITE("cluster/registration") {
  TEST_CASE("a node that registers is a backend of the only pool, with its weight") {
    test::FakeClock clock;
    Balancer one(clock);
    Node heavy = node("a", "http://h:1/");
    heavy.weight = 7;
    CHECK(one.registration.announce(heavy).outcome == Outcome::added);
    REQUIRE(one.backends["p"].size() == 1);
    CHECK(one.backends["p"][0].id == "a");
    CHECK(one.backends["p"][0].host == "h:1");
    CHECK(one.backends["p"][0].weight == 7);
    REQUIRE(one.registration.nodes().size() == 1);
    CHECK(one.registration.nodes()[0].node.pools == std::vector<std::string>{"p"});
    CHECK(one.registration.nodes()[0].node.url == "http://h:1");
  }

  TEST_CASE("silent for node_timeout gets no new sessions, for cleanup_interval more is removed") {
    test::FakeClock clock;
    Balancer one(clock);
    one.registration.announce(node("a", "http://h:1"));
    clock.advance(milliseconds(14'900));
    CHECK(one.silent.empty());
    clock.advance(milliseconds(500));
    CHECK(one.silent.contains("p/a"));
    CHECK(one.hosts() == "h:1");
    clock.advance(milliseconds(29'400));
    CHECK(one.hosts() == "h:1");
    clock.advance(milliseconds(500));
    CHECK(one.hosts().empty());
    CHECK(one.registration.heartbeat("a").outcome == Outcome::unknown_node);
  }

  TEST_CASE("a heartbeat keeps a node, and brings a silent one back") {
    test::FakeClock clock;
    Balancer one(clock);
    one.registration.announce(node("a", "http://h:1"));
    for (int i = 0; i < 10; ++i) {
      clock.advance(milliseconds(14'000));
      CHECK(one.registration.heartbeat("a").message.empty());
    }
    CHECK(one.silent.empty());
    clock.advance(milliseconds(20'000));
    CHECK(one.silent.contains("p/a"));
    CHECK(one.registration.heartbeat("a").message.empty());
    CHECK(one.silent.empty());
  }

  TEST_CASE("registering the same again is a heartbeat, and anything else replaces the node") {
    test::FakeClock clock;
    Balancer one(clock);
    one.registration.announce(node("a", "http://h:1"));
    clock.advance(milliseconds(10'000));
    one.backends.clear();
    CHECK(one.registration.announce(node("a", "http://h:1/")).outcome == Outcome::renewed);
    CHECK(one.backends.empty());
    clock.advance(milliseconds(10'000));
    CHECK(one.silent.empty());
    CHECK(one.registration.announce(node("a", "http://h:2")).outcome == Outcome::renewed);
    CHECK(one.hosts() == "h:2");
    CHECK(one.registration.nodes().size() == 1);
  }

  TEST_CASE("a node that changes its pools leaves the others") {
    test::FakeClock clock;
    Balancer one(clock);
    one.pools = {"p", "q", "r"};
    one.registration.announce(node("a", "http://h:1", {"p", "q", "q"}));
    CHECK(one.hosts("p") == "h:1");
    CHECK(one.hosts("q") == "h:1");
    one.registration.announce(node("a", "http://h:1", {"q", "r"}));
    CHECK(one.hosts("p").empty());
    CHECK(one.hosts("q") == "h:1");
    CHECK(one.hosts("r") == "h:1");
  }

  TEST_CASE("a node that is removed is gone at once") {
    test::FakeClock clock;
    Balancer one(clock);
    one.registration.announce(node("a", "http://h:1"));
    one.registration.announce(node("b", "http://h:2"));
    CHECK(one.registration.remove("a").message.empty());
    CHECK(one.hosts() == "h:2");
    CHECK(one.registration.remove("a").outcome == Outcome::unknown_node);
    CHECK(one.registration.heartbeat("a").message == "node a is not known: register again");
  }

  TEST_CASE("what makes no sense is refused with the reason, and changes nothing") {
    test::FakeClock clock;
    Balancer one(clock);
    const auto outcome = [&one](const Node& refused) {
      const auto answer = one.registration.announce(refused);
      CHECK_FALSE(answer.message.empty());
      return answer.outcome;
    };
    CHECK(outcome(node("", "http://h:1")) == Outcome::invalid);
    CHECK(outcome(node("a", "ftp://h:1")) == Outcome::invalid);
    CHECK(outcome(node(std::string(129, 'a'), "http://h:1")) == Outcome::invalid);
    CHECK(outcome(node("a", "http://" + std::string(400, 'h'))) == Outcome::invalid);
    CHECK(outcome(node("a", "http://h:1", {"x"})) == Outcome::unknown_pool);
    CHECK(outcome(node("static", "http://h:1")) == Outcome::conflict);
    for (const std::uint32_t weight : {0U, 101U}) {
      Node wrong = node("a", "http://h:1");
      wrong.weight = weight;
      CHECK(outcome(wrong) == Outcome::invalid);
    }
    one.pools = {"p", "q"};
    CHECK(outcome(node("a", "http://h:1")) == Outcome::invalid);
    CHECK(one.backends.empty());
  }

  TEST_CASE("one url is one living node's, and a silent one gives way") {
    test::FakeClock clock;
    Balancer one(clock);
    one.registration.announce(node("a", "http://h:1"));
    const auto refused = one.registration.announce(node("b", "http://h:1"));
    CHECK(refused.outcome == Outcome::conflict);
    CHECK(refused.message == "node a is registered with this url, and alive");
    clock.advance(milliseconds(16'000));
    CHECK(one.registration.announce(node("b", "http://h:1")).outcome == Outcome::added);
  }

  TEST_CASE("there is a most of nodes") {
    test::FakeClock clock;
    Balancer one(clock);
    for (std::size_t i = 0; i < limits::registered_nodes_max; ++i) {
      const std::string number = std::to_string(i);
      CHECK(one.registration.announce(node(number, "http://h:" + number)).outcome ==
            Outcome::added);
    }
    CHECK(one.registration.announce(node("x", "http://x")).outcome == Outcome::full);
    CHECK(one.registration.announce(node("0", "http://x")).outcome == Outcome::renewed);
  }

  TEST_CASE("nodes outlive a restart with a store, and time goes on for them meanwhile") {
    test::FakeClock clock;
    SharedNodes store(clock);
    std::optional<Balancer> before(std::in_place, clock, &store);
    before->registration.announce(node("a", "http://h:1"));
    clock.advance(milliseconds(300));
    CHECK(store.saves == 1);
    before.reset();
    clock.advance(milliseconds(10'000));
    Balancer after(clock, &store);
    CHECK(after.hosts() == "h:1");
    CHECK(after.silent.empty());
    clock.advance(milliseconds(6'000));
    CHECK(after.silent.contains("p/a"));
    CHECK(after.registration.heartbeat("a").message.empty());
    CHECK(after.silent.empty());
  }

  TEST_CASE("balancers hear of each other's nodes, heartbeats and removals") {
    test::FakeClock clock;
    SharedNodes store(clock);
    Balancer one(clock, &store);
    Balancer two(clock, &store);
    one.registration.announce(node("a", "http://h:1"));
    clock.advance(milliseconds(2'500));
    CHECK(two.hosts() == "h:1");
    for (int i = 0; i < 6; ++i) {
      clock.advance(milliseconds(5'000));
      CHECK(one.registration.heartbeat("a").message.empty());
    }
    CHECK(two.silent.empty());
    two.registration.announce(node("a", "http://h:2"));
    clock.advance(milliseconds(2'500));
    CHECK(one.hosts() == "h:2");
    CHECK(two.registration.remove("a").message.empty());
    // A heartbeat that is on its way does not bring it back.
    CHECK(one.registration.heartbeat("a").message.empty());
    clock.advance(milliseconds(2'500));
    CHECK(one.hosts().empty());
    CHECK(two.hosts().empty());
    one.registration.announce(node("a", "http://h:3"));
    clock.advance(milliseconds(2'500));
    CHECK(two.hosts() == "h:3");
  }

  TEST_CASE("a store that is away is told later") {
    test::FakeClock clock;
    SharedNodes store(clock);
    store.away = true;
    Balancer one(clock, &store);
    one.registration.announce(node("a", "http://h:1"));
    one.registration.announce(node("b", "http://h:2"));
    one.registration.remove("b");
    clock.advance(milliseconds(1'000));
    CHECK(store.nodes.empty());
    CHECK(one.hosts() == "h:1");
    store.away = false;
    clock.advance(milliseconds(500));
    CHECK(store.nodes["a"].node.url == "http://h:1");
    CHECK(store.nodes["b"].removed);
  }

  TEST_CASE("while the store is away, a node that another balancer hears is not taken for silent") {
    test::FakeClock clock;
    SharedNodes store(clock);
    Balancer one(clock, &store);
    Balancer two(clock, &store);
    one.registration.announce(node("a", "http://h:1"));
    one.registration.announce(node("b", "http://h:2"));
    clock.advance(milliseconds(2'500));
    CHECK(two.hosts() == "h:1 h:2");
    store.away = true;
    for (int i = 0; i < 12; ++i) {
      clock.advance(milliseconds(10'000));
      CHECK(one.registration.heartbeat("a").message.empty());
    }
    CHECK(two.silent.empty());
    CHECK(two.hosts() == "h:1 h:2");
    // The one that heard them knows better.
    CHECK(one.hosts() == "h:1");
    store.away = false;
    clock.advance(milliseconds(8'000));
    CHECK(one.registration.heartbeat("a").message.empty());
    clock.advance(milliseconds(8'000));
    CHECK(two.silent == std::set<std::string>{"p/b"});
  }

  TEST_CASE("a stored node that does not fit here is left out") {
    test::FakeClock clock;
    SharedNodes store(clock);
    store.nodes["x"] = {node("x", "http://x:1", {"elsewhere"}), clock.now(), false};
    store.nodes["static"] = {node("static", "http://x:1", {"p"}), clock.now(), false};
    store.nodes["old"] = {node("old", "http://x:1", {"p"}), clock.now() - 50'000, false};
    store.nodes["fine"] = {node("fine", "http://f:1", {"p"}), clock.now(), false};
    Balancer one(clock, &store);
    CHECK(one.hosts() == "f:1");
  }
}

}  // namespace
}  // namespace mcplb::cluster
