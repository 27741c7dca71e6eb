#include "mcplb/session/sweeper.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/redis/client.hpp"

#include "support/fake_store.hpp"

namespace mcplb::session {
namespace {

using redis::array;

constexpr milliseconds idle{40'000};      // so a round is every 5 s
constexpr milliseconds interval{10'000};  // of renewals

cluster::PoolSettings two_backends() {
  cluster::PoolSettings settings;
  settings.name = "p";
  for (const char* name : {"a", "b"}) {
    settings.backends.emplace_back();
    settings.backends.back().id = name;
    settings.backends.back().host = "127.0.0.1";
  }
  return settings;
}

// Owners that answer 200 to whatever they are told; what they were told is kept.
class Owners {
 public:
  explicit Owners(net::Timers& timers) : timers_(timers) {}

  Task<Result<cluster::Lease>> connect(cluster::Backend& backend) {
    auto& pipe = pipes_.emplace_back(std::make_unique<test::Pipe>(timers_, buffers_));
    auto& home = homes_.emplace_back(
        std::make_unique<cluster::ConnectionPool>(timers_, backend, keepalive_));
    names_.push_back(backend.name());
    pipe->far->post("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    co_return cluster::Lease(*home,
                             std::make_unique<cluster::Connection>(std::move(pipe->near), http_));
  }
  bool pump() {
    bool moved = false;
    for (std::size_t i = 0; i < pipes_.size(); ++i)
      moved = pipes_[i]->pump_once() || moved;
    return moved;
  }
  // "a:s-1 b:s-2 ", in the order in which they were told.
  std::string told() {
    std::string text;
    for (std::size_t i = 0; i < pipes_.size(); ++i) {
      const std::string request = pipes_[i]->far->take();
      const std::size_t at = request.find("Mcp-Session-Id: ");
      if (at == std::string::npos) continue;
      text += names_[i] + ":" + request.substr(at + 16, request.find('\r', at) - at - 16) + " ";
    }
    return text;
  }

 private:
  net::Timers& timers_;
  BufferPool buffers_{limits::buffer_block_bytes};
  const http::Settings http_;
  const cluster::KeepaliveSettings keepalive_;
  std::vector<std::unique_ptr<test::Pipe>> pipes_;
  std::vector<std::unique_ptr<cluster::ConnectionPool>> homes_;
  std::vector<std::string> names_;
};

struct Sweeping {
  explicit Sweeping(bool stored, bool delete_on_expiry = true) : has_store(stored) {
    // The end of a use reads the real clock; this one stays ahead of it.
    net.clock.jump(milliseconds(monotonic_ms() + 3'600'000));
    net.clock.advance(milliseconds(0));
    settings.idle_timeout = idle;
    settings.delete_on_expiry = delete_on_expiry;
    sweeper.emplace(Swept{.pool = pool,
                          .settings = settings,
                          .sessions = sessions,
                          .endpoint_sessions = endpoint_sessions,
                          .events = events,
                          .store = stored ? &store : nullptr},
                    farewells, *nursery, net.clock.timers());
    sweeper->start();
    if (stored) client.start([this] { sweeper->on_store_connected(); });
  }
  ~Sweeping() {
    uses.clear();
    nursery.reset();
  }

  void learn(Directory& directory, const std::string& id, const char* owner) {
    const Facts facts{pool.view()->find(owner)->id(), 1, 77, {"/mcp", "h", "2025-06-18"}};
    directory.learn(id, facts, net.clock.now(), uses.emplace_back());
  }
  // Nothing uses any session any more.
  void leave() { uses.clear(); }
  void turn() {
    do
      net.turn();
    while (owners.pump());
  }
  void pass(milliseconds time) {
    // In steps that are shorter than the time that a command may take.
    for (milliseconds left = time; left.count() > 0; left -= milliseconds(100)) {
      net.clock.advance(milliseconds(100));
      turn();
      if (has_store && !net.pipes.empty()) answer();
    }
  }
  // Plays the store: each command gets its reply, and is kept as text.
  void answer() {
    if (!plays) return;
    for (std::string asked = net.heard(); !asked.empty(); asked = net.heard()) {
      for (std::size_t at = 0; at < asked.size();) {
        const std::size_t end = asked.find("; ", at);
        net.say(reply_to(asked.substr(at, end - at)));
        at = end + 2;
      }
      turn();
    }
  }
  std::string reply_to(const std::string& command) {
    if (command == "PING") return "+PONG\r\n";
    if (command.starts_with("SCRIPT LOAD")) {
      // The scripts are told apart by what only they do.
      if (command.find("ZADD") != std::string::npos) return redis::bulk("put");
      if (command.find("ZRANGEBYSCORE") != std::string::npos) return redis::bulk("take");
      return redis::bulk("unlock");
    }
    heard += command + "\n";
    if (command.starts_with("SET ")) return locked ? "$-1\r\n" : "+OK\r\n";
    // What was lost is lost until it is written whole.
    if (plays_lost && command.find(" whole ") != std::string::npos) return array({"done"});
    if (command.starts_with("EVALSHA put")) return put_reply;
    if (command.starts_with("EVALSHA take")) return array(std::exchange(expired, {}));
    return ":1\r\n";
  }
  // Rounds until the store counts as settled.
  void connect() {
    turn();
    net.accept();
    answer();
    pass(2 * interval + milliseconds(5000));
    heard.clear();
  }
  bool has_heard(std::string_view text) const { return heard.find(text) != std::string::npos; }
  void expires_there(const std::string& id, const char* owner, const char* protocol = "",
                     const char* backend_session = "") {
    for (const std::string& value : std::vector<std::string>{
             id, owner, "1", "77", "/mcp", "h", protocol, "", "99", backend_session})
      expired.push_back(value);
  }

  redis::FakeStore net;
  const bool has_store;
  bool plays = true;
  bool plays_lost = false;
  bool locked = false;
  std::string put_reply = array({"done"});
  std::vector<std::string> expired;  // what the store hands out next
  std::string heard;                 // commands, a line each

  cluster::Registry registry;
  cluster::Pool pool{two_backends(), registry};
  Settings settings;
  Directory sessions{registry};
  Directory endpoint_sessions{registry};
  EventCounts events;
  std::vector<SessionUse> uses;
  Owners owners{net.clock.timers()};
  redis::Client client{net.clock.timers(), net.turns, net, redis::settings_for("redis://h")};
  std::unique_ptr<Nursery> nursery = std::make_unique<Nursery>(net.turns);
  Store store{client, *nursery, "x", "lb"};
  Farewells farewells{*nursery, net.clock.timers(), [this](cluster::Backend& backend, Deadline) {
                        return owners.connect(backend);
                      }};
  std::optional<Sweeper> sweeper;
};

}  // namespace

TEST_SUITE("session/sweeper without a store") {
  TEST_CASE("an expired session is ended at its owner") {
    Sweeping s(false);
    s.learn(s.sessions, "s-1", "a");
    s.learn(s.sessions, "s-2", "b");
    s.uses.pop_back();
    s.pass(idle + milliseconds(6000));
    CHECK(s.owners.told() == "b:s-2 ");
    CHECK(s.sessions.size() == 1);
    CHECK(s.events.value(Event::expired) == 1);
  }

  TEST_CASE("one of the 2024-11-05 transport is only forgotten") {
    Sweeping s(false);
    s.learn(s.endpoint_sessions, "s-1", "a");
    s.leave();
    s.pass(idle + milliseconds(6000));
    CHECK(s.owners.told() == "");
    CHECK(s.endpoint_sessions.size() == 0);
    CHECK(s.events.value(Event::expired) == 1);
  }

  TEST_CASE("nothing is sent when that is not wanted") {
    Sweeping s(false, false);
    s.learn(s.sessions, "s-1", "a");
    s.leave();
    s.pass(idle + milliseconds(6000));
    CHECK(s.owners.told() == "");
    CHECK(s.sessions.size() == 0);
  }
}

TEST_SUITE("session/sweeper with a store") {
  TEST_CASE("a new session is written within a pause, one in use is renewed, an idle one not") {
    Sweeping s(true);
    s.connect();
    s.learn(s.sessions, "busy", "a");
    s.learn(s.endpoint_sessions, "old", "b");
    s.learn(s.sessions, "idle", "b");
    s.uses.pop_back();
    s.pass(milliseconds(5000));
    CHECK(
        s.has_heard("EVALSHA put 3 x:session:p:busy x:tombstone:p:busy x:expiry:p busy 340 lb a "
                    "1 77 /mcp h 2025-06-18   whole 79 0\n"));
    CHECK(
        s.has_heard("EVALSHA put 3 x:session:p:old x:tombstone:p:old x:expiry:p old 340 lb b "
                    "1 77 /mcp h 2024-11-05   whole 79 0\n"));
    CHECK(s.has_heard(":idle "));
    s.heard.clear();
    s.pass(interval + milliseconds(5000));
    CHECK(s.has_heard(":busy "));
    CHECK(s.has_heard(":old "));
    CHECK_FALSE(s.has_heard(":idle "));
  }

  TEST_CASE("sessions of a time without the store are written when it comes") {
    Sweeping s(true);
    s.learn(s.sessions, "s-1", "a");
    s.net.refuses = true;
    s.pass(milliseconds(20'000));
    s.net.refuses = false;
    while (s.net.pipes.empty())
      s.net.pass(16);
    s.net.accept();
    s.net.pass(32);
    s.answer();
    CHECK(s.has_heard("EVALSHA put 3 x:session:p:s-1 "));
  }

  TEST_CASE("what the store did not take is written in a later round") {
    Sweeping s(true);
    s.connect();
    s.put_reply = "-OOM command not allowed\r\n";
    s.learn(s.sessions, "s-1", "a");
    s.learn(s.sessions, "s-2", "a");
    s.leave();
    s.pass(milliseconds(5000));
    // The first failure ends the round, and nobody sweeps who is behind.
    CHECK(s.has_heard("EVALSHA put"));
    CHECK(s.heard.find("EVALSHA put") == s.heard.rfind("EVALSHA put"));
    CHECK_FALSE(s.has_heard("SET x:lock"));
    s.heard.clear();
    s.put_reply = array({"done"});
    s.pass(milliseconds(5000));
    CHECK(s.has_heard(":s-1 "));
    CHECK(s.has_heard(":s-2 "));
    CHECK(s.sessions.size() == 2);
  }

  TEST_CASE("a session whose backend is not configured here is not this balancer's to tell") {
    Sweeping s(true);
    s.connect();
    cluster::BackendSettings elsewhere;
    elsewhere.id = "elsewhere";
    const Facts facts{s.registry.add("other", elsewhere)->id()};
    s.sessions.learn("s-1", facts, s.net.clock.now(), s.uses.emplace_back());
    s.learn(s.sessions, "s-2", "a");
    s.pass(milliseconds(5000));
    CHECK_FALSE(s.has_heard(":s-1 "));
    CHECK(s.has_heard(":s-2 "));
  }

  TEST_CASE("a session that was deleted elsewhere is forgotten") {
    Sweeping s(true);
    s.connect();
    s.put_reply = array({"deleted"});
    s.learn(s.sessions, "s-1", "a");
    s.learn(s.endpoint_sessions, "s-2", "a");
    s.pass(milliseconds(5000));
    CHECK(s.sessions.size() == 0);
    CHECK(s.endpoint_sessions.size() == 0);
    CHECK(s.owners.told() == "");
  }

  TEST_CASE("a session that lives elsewhere is looked up when it is used next") {
    Sweeping s(true);
    s.connect();
    s.put_reply = array({"other"});
    s.learn(s.sessions, "s-1", "a");
    CHECK_FALSE(s.sessions.begin_use("s-1", s.net.clock.now()).unverified());
    s.pass(milliseconds(5000));
    CHECK(s.sessions.begin_use("s-1", s.net.clock.now()).unverified());
    CHECK(s.owners.told() == "");
  }

  TEST_CASE("what is unused here is only dropped: others may use it") {
    Sweeping s(true);
    s.connect();
    s.learn(s.sessions, "s-1", "a");
    s.leave();
    s.pass(idle + milliseconds(6000));
    CHECK(s.sessions.size() == 0);
    CHECK(s.owners.told() == "");
    CHECK(s.events.value(Event::expired) == 0);
  }

  TEST_CASE("what expires in the store is ended at its owner, by the configured name") {
    Sweeping s(true);
    s.connect();
    s.expires_there("s-1", "b", "2025-03-26");
    s.expires_there("s-2", "elsewhere");
    s.expires_there("s-3", "a", "2024-11-05");
    s.pass(milliseconds(5000));
    CHECK(s.has_heard("SET x:lock:sweep:p lb NX PX 20000\n"));
    CHECK(s.has_heard("EVALSHA take 1 x:expiry:p 41 64 x:session:p x:events expired p \n"));
    CHECK(s.has_heard("EVALSHA unlock 1 x:lock:sweep:p lb\n"));
    CHECK(s.owners.told() == "b:s-1 ");
    CHECK(s.events.value(Event::expired) == 3);
  }

  TEST_CASE("a session that has moved is ended by the name that its owner knows") {
    Sweeping s(true);
    s.connect();
    s.expires_there("s-1", "b", "2025-03-26", "at-b");
    s.pass(milliseconds(5000));
    CHECK(s.owners.told() == "b:at-b ");
  }

  TEST_CASE("a renewal says only that the session was seen, until the store has lost it") {
    Sweeping s(true);
    s.connect();
    s.learn(s.sessions, "busy", "a");
    s.sessions.set_opening("busy", {"{}", "2025-06-18", "{\"tools\":{}}"});
    s.pass(milliseconds(5000));
    CHECK(s.has_heard(" whole 79 0 initialize {} result_protocol 2025-06-18 capabilities "
                      "{\"tools\":{}}\n"));
    s.heard.clear();
    s.pass(interval + milliseconds(5000));
    CHECK(s.has_heard(" seen, and movable 79 0\n"));
    CHECK_FALSE(s.has_heard("initialize"));
    s.put_reply = array({"absent"});
    s.plays_lost = true;
    s.heard.clear();
    s.pass(interval + milliseconds(5000));
    CHECK(s.has_heard(" seen, and movable 79 0\n"));
    CHECK(s.has_heard(" whole 79 0 initialize {} "));
    CHECK(s.sessions.size() == 1);
  }

  TEST_CASE("what a client asks its server to remember is due, and what it takes back") {
    Sweeping s(true);
    s.connect();
    s.learn(s.sessions, "busy", "a");
    s.pass(milliseconds(5000));
    s.heard.clear();
    const std::string about_it = R"("params":{"uri":"file:///a"}})";
    s.sessions.note_journal("busy", mcp::Method::resources_subscribe, "{" + about_it);
    s.pass(milliseconds(5000));
    CHECK(s.has_heard(" whole 79 0 subscribed:file:///a 1\n"));
    s.sessions.note_journal("busy", mcp::Method::resources_unsubscribe, "{" + about_it);
    s.pass(milliseconds(5000));
    CHECK(s.has_heard(" whole 79 1 subscribed:file:///a\n"));
  }

  TEST_CASE("batches are taken until there is less than one") {
    Sweeping s(true);
    s.connect();
    for (std::size_t i = 0; i < limits::store_expired_batch; ++i)
      s.expires_there("s-" + std::to_string(i), "a");
    s.pass(milliseconds(5000));
    const std::size_t first = s.heard.find("EVALSHA take");
    const std::size_t second = s.heard.find("EVALSHA take", first + 1);
    CHECK(second != std::string::npos);
    CHECK(s.heard.find("EVALSHA take", second + 1) == std::string::npos);
    CHECK(s.events.value(Event::expired) == limits::store_expired_batch);
  }

  TEST_CASE("nobody sweeps whom another one keeps from it") {
    Sweeping s(true);
    s.connect();
    s.locked = true;
    s.pass(milliseconds(10'000));
    CHECK(s.has_heard("SET x:lock"));
    CHECK_FALSE(s.has_heard("EVALSHA"));
  }

  TEST_CASE("nobody sweeps before all had time to renew their sessions") {
    Sweeping s(true);
    s.turn();
    s.net.accept();
    s.answer();
    s.pass(2 * interval - milliseconds(2000));
    CHECK_FALSE(s.has_heard("SET x:lock"));
    s.pass(milliseconds(10'000));
    CHECK(s.has_heard("SET x:lock"));
    // The same after an outage.
    s.net.close();
    while (s.net.pipes.size() < 2)
      s.net.pass(16);
    s.net.accept();
    s.heard.clear();
    s.pass(2 * interval - milliseconds(2000));
    CHECK_FALSE(s.has_heard("SET x:lock"));
  }

  TEST_CASE("a session that is in use here does not expire, whatever the store says") {
    Sweeping s(true);
    s.connect();
    s.learn(s.sessions, "s-1", "a");
    s.pass(milliseconds(5000));
    s.heard.clear();
    s.expires_there("s-1", "a");
    s.pass(milliseconds(10'000));
    CHECK(s.owners.told() == "");
    CHECK(s.sessions.size() == 1);
    CHECK(s.has_heard("EVALSHA put 3 x:session:p:s-1 "));
    CHECK(s.events.value(Event::expired) == 0);
  }
}

}  // namespace mcplb::session
