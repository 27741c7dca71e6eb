// Balancers that move a session between backends which a test plays.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mcplb/base/limits.hpp"
#include "mcplb/session/move.hpp"

#include "support/played_redis.hpp"

namespace mcplb::session {

inline const std::string initialize_body =
    R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"x":1}})";
inline const std::string capabilities_text = R"({"tools":{"listChanged":true}})";

// How a backend behaves: what it says to a request, nothing while it is silent.
using Behaviour = std::function<std::optional<std::string>(const std::string& request)>;

inline std::string http_reply(const std::string& status, const std::string& fields,
                              const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline std::string text_after(const std::string& text, const std::string& mark, char end) {
  const std::size_t at = text.find(mark);
  if (at == std::string::npos) return {};
  return text.substr(at + mark.size(), text.find(end, at + mark.size()) - at - mark.size());
}

// The backends, as all balancers see them.
struct World {
  // Opens sessions and takes whatever is asked.
  Behaviour good(const std::string& capabilities = capabilities_text,
                 const std::string& protocol = "2025-06-18") {
    return [this, capabilities, protocol](const std::string& request) {
      if (request.starts_with("DELETE")) return http_reply("200 OK", "", "");
      const std::string method = text_after(request, "\"method\":\"", '"');
      const std::string json = "Content-Type: application/json\r\n";
      if (method.starts_with("notifications/")) return http_reply("202 Accepted", "", "");
      if (method != "initialize") {
        const std::string id = text_after(request, "\"id\":\"", '"');
        return http_reply("200 OK", json,
                          R"({"jsonrpc":"2.0","id":")" + id + R"(","result":{}})");
      }
      return http_reply("200 OK", json + "Mcp-Session-Id: new-" + std::to_string(++opened) + "\r\n",
                        R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":")" + protocol +
                            R"(","capabilities":)" + capabilities + "}}");
    };
  }
  static Behaviour says(const std::string& reply) {
    return [reply](const std::string&) { return reply; };
  }
  static Behaviour silent() {
    return [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  }
  // "b initialize", "c DELETE new-1", in the order in which they came.
  std::string heard() const {
    std::string text;
    for (const std::string& line : lines)
      text += line + "; ";
    return text;
  }
  std::size_t count(const std::string& what) const {
    std::size_t found = 0;
    for (const std::string& line : lines)
      found += line.find(what) != std::string::npos ? 1 : 0;
    return found;
  }

  std::map<std::string, Behaviour> behaviours;  // none: nobody listens there
  std::vector<std::string> lines;
  std::vector<std::string> requests;  // the same, whole
  int opened = 0;
};

class Doors final : public Asker::Connector {
 public:
  Doors(World& world, net::Timers& timers) : world_(world), timers_(timers) {}

  Task<Result<cluster::Lease>> connect(cluster::Backend& backend, Deadline) override {
    if (world_.behaviours.count(backend.name()) == 0) {
      co_return Error{Error::Kind::refused, Error::Side::backend, 0, "refused"};
    }
    auto door = std::make_unique<Door>();
    door->name = backend.name();
    door->pipe = std::make_unique<test::Pipe>(timers_, buffers_);
    door->home = std::make_unique<cluster::ConnectionPool>(timers_, backend, keepalive_);
    auto connection = std::make_unique<cluster::Connection>(std::move(door->pipe->near), http_);
    cluster::Lease lease(*door->home, std::move(connection));
    doors_.push_back(std::move(door));
    co_return lease;
  }
  bool pump() {
    bool moved = false;
    for (std::size_t i = 0; i < doors_.size(); ++i) {
      Door& door = *doors_[i];
      moved = door.pipe->pump_once() || moved;
      moved = answer(door) || moved;
    }
    return moved;
  }

 private:
  struct Door {
    std::string name;
    std::unique_ptr<test::Pipe> pipe;
    std::unique_ptr<cluster::ConnectionPool> home;
    std::string request;
    bool noted = false;
    bool answered = false;
  };

  bool answer(Door& door) {
    door.request += door.pipe->far->take();
    const std::size_t head = door.request.find("\r\n\r\n");
    if (door.answered || head == std::string::npos) return false;
    const std::string length = text_after(door.request, "Content-Length: ", '\r');
    const std::size_t body = length.empty() ? 0 : std::stoul(length);
    if (door.request.size() < head + 4 + body) return false;
    if (!std::exchange(door.noted, true)) note(door);
    const auto reply = world_.behaviours.at(door.name)(door.request);
    if (!reply) return false;
    door.answered = true;
    door.pipe->far->post(*reply);
    return true;
  }
  void note(const Door& door) {
    const std::string session = text_after(door.request, "Mcp-Session-Id: ", '\r');
    std::string what = text_after(door.request, "\"method\":\"", '"');
    if (what.empty()) what = door.request.substr(0, door.request.find(' '));
    world_.lines.push_back(door.name + " " + what + (session.empty() ? "" : " " + session));
    world_.requests.push_back(door.request);
  }

  World& world_;
  net::Timers& timers_;
  BufferPool buffers_{limits::buffer_block_bytes};
  const http::Settings http_;
  const cluster::KeepaliveSettings keepalive_;
  std::vector<std::unique_ptr<Door>> doors_;
};

inline cluster::PoolSettings three_backends() {
  cluster::PoolSettings settings;
  settings.name = "p";
  for (const char* name : {"a", "b", "c"}) {
    settings.backends.emplace_back();
    settings.backends.back().id = name;
    settings.backends.back().host = "127.0.0.1";
  }
  return settings;
}

struct Balancer {
  // `others`: with the same directory, as another worker of the same process.
  explicit Balancer(World& world_, redis::PlayedRedis* redis_ = nullptr,
                    Balancer* others = nullptr)
      : world(world_),
        redis(redis_),
        directory(others != nullptr ? others->directory : own_directory),
        doors(world_, net.clock.timers()) {
    if (redis != nullptr) {
      client.start([] {});
      settle();
    }
    mover.emplace(net.clock.timers(), *nursery, redis == nullptr ? nullptr : &store, &doors);
  }
  ~Balancer() { nursery.reset(); }

  // A session whose owner is `a`.
  void open(const std::string& id, mcp::Opening opening = {initialize_body, "2025-06-18",
                                                            capabilities_text}) {
    Facts facts{pool.view()->find("a")->id(), 1, 77, {"/mcp", "h", "2025-06-18"}};
    SessionUse use;
    directory.learn(id, facts, net.clock.now(), use);
    if (!opening.initialize.empty()) directory.set_opening(id, std::move(opening));
  }
  MoveQuery query(const std::string& id) const {
    MoveQuery query;
    query.session = id;
    query.directory = &directory;
    query.generation = 1;
    query.from = pool.view()->find("a")->id();
    query.target = "/mcp?k=1";
    query.host = "mcp.example";
    query.fields = "Authorization: Bearer t\r\nX-Forwarded-For: 9.9.9.9\r\n";
    return query;
  }
  test::Running<MoveResult> begin(MoveQuery query) {
    return test::run(mover->move(scope, std::move(query)));
  }
  bool settle_once() {
    net.turn();
    bool moved = doors.pump();
    if (redis != nullptr) moved = redis->serve(net) || moved;
    net.turn();
    return moved;
  }
  void settle() {
    while (settle_once()) {
    }
  }
  void pass(int ms) {
    for (; ms > 0; ms -= 16) {
      net.clock.advance(milliseconds(16));
      settle();
    }
  }
  MoveResult move(MoveQuery moved, int ms = 0) {
    auto running = begin(std::move(moved));
    settle();
    pass(ms);
    MCPLB_ASSERT(running.done());
    return std::move(running.result());
  }
  // "b 2 new-1": owner, generation and what the owner calls it.
  std::string owner(const std::string& id) const {
    const auto info = directory.look(id, net.clock.now());
    if (!info) return "";
    const cluster::Backend* backend = directory.backend(info->facts.owner);
    return (backend == nullptr ? "-" : backend->name()) + " " +
           std::to_string(info->facts.generation) + " " + info->facts.backend_session;
  }

  World& world;
  redis::PlayedRedis* const redis;
  redis::FakeStore net;
  cluster::Registry registry;
  cluster::Pool pool{three_backends(), registry};
  net::Loop loop{limits::buffer_block_bytes};
  net::Resolver resolver{loop};
  const http::Settings http;
  cluster::Dispatcher dispatcher{loop, resolver, pool, http};
  Settings settings;
  StoreScope store_scope{"p", milliseconds(40'000)};
  EventCounts events;
  LookupScope scope{dispatcher, settings, store_scope, events};
  Directory own_directory{registry};
  Directory& directory;
  redis::Client client{net.clock.timers(), net.turns, net, redis::settings_for("redis://h")};
  std::unique_ptr<Nursery> nursery = std::make_unique<Nursery>(net.turns);
  Store store{client, *nursery, "x", "lb"};
  Doors doors;
  std::optional<Mover> mover;
};

}  // namespace mcplb::session
