// Backends that announce themselves over the admin API and say every few seconds that they are
// still there. On the control loop only.
//
// A node that says nothing for `node_timeout` is silent: it gets no new sessions. After
// `cleanup_interval` more it is removed, which is up to whoever hears of the change. With a store,
// nodes outlive this process, and balancers that share it know each other's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/settings.hpp"
#include "mcplb/net/timers.hpp"

namespace mcplb::cluster {

// What a backend says of itself.
struct Node {
  std::string id;                  // that of the backend, in each of its pools
  std::string name;                // for people; empty: the id
  std::string url;                 // http(s)://host:port
  std::vector<std::string> pools;  // empty: the only one there is
  std::uint32_t weight = 1;        // 1 … limits::weight_max

  friend bool operator==(const Node&, const Node&) = default;
};

// Where nodes are kept beyond this process, shared by balancers. All calls fail at once while it
// is away.
class NodeStore {
 public:
  virtual ~NodeStore() = default;
  NodeStore() = default;
  NodeStore(const NodeStore&) = delete;
  NodeStore& operator=(const NodeStore&) = delete;

  virtual bool connected() const = 0;
  struct Heard {
    bool registered = false;  // else it was only heard of again
    milliseconds age{0};      // since then
  };
  // Forgotten by itself after `keep`. False: it was removed meanwhile and has not registered since:
  // nothing was written.
  virtual Task<Result<bool>> save(Node node, Heard heard, milliseconds keep) = 0;
  // Remembers for `keep` that it is gone.
  virtual Task<Result<void>> remove(std::string id, milliseconds keep) = 0;
  struct Stored {
    Node node;
    milliseconds age{0};   // since it was heard of last, or removed
    bool removed = false;  // only the id of `node` is known then
  };
  virtual Task<Result<std::vector<Stored>>> load() = 0;
};

class Registration {
 public:
  // How a registration reaches the rest of the process. Called on the control loop; must not call
  // back.
  struct Links {
    // The names of all pools.
    std::function<std::vector<std::string>()> pools;
    // Reads an id and a url as the configuration would, and brings the url into its one form;
    // else says what is wrong.
    std::function<std::string(const std::string& id, std::string& url, BackendSettings& backend)>
        read;
    // Whether the pool has a backend of that id from elsewhere.
    std::function<bool(const std::string& pool, const std::string& id)> taken;
    // All nodes of a pool, silent ones included; called when they have changed.
    std::function<void(const std::string& pool, std::vector<BackendSettings> backends)> on_change;
    // After on_change for each node of the pool, and when one falls silent or is heard of again.
    std::function<void(const std::string& pool, const std::string& id, bool silent)> on_silent;
  };
  // All outlive the registration; `store` is null without one.
  Registration(const RegistrationSettings& settings, Links links, net::Timers& timers,
               NodeStore* store);
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  // Looks after the nodes from now on.
  void start(Nursery& nursery);

  enum class Outcome : std::uint8_t {
    added,
    renewed,
    invalid,       // what it says of itself makes no sense
    unknown_pool,
    conflict,      // somebody else has the id or the url
    full,          // limits::registered_nodes_max
    unknown_node   // it has to register (again)
  };
  struct Answer {
    Outcome outcome = Outcome::renewed;
    std::string message;  // a sentence, when it was refused
  };
  // The same again is a heartbeat; anything else of the same id replaces it.
  Answer announce(Node node);
  Answer heartbeat(const std::string& id);
  Answer remove(const std::string& id);

  struct Listed {
    const Node& node;
    milliseconds age;  // since the last heartbeat
    bool silent = false;
  };
  // In the order of their ids. Valid until the next turn of the loop.
  std::vector<Listed> nodes() const;
  milliseconds node_timeout() const { return settings_.node_timeout; }

 private:
  struct Entry {
    Node node;
    BackendSettings backend;
    TimePoint heard_at = 0;
    bool from_store = false;  // another balancer has heard it last
    bool silent = false;
  };
  // What the store has yet to hear of a node; the last word counts.
  enum class Pending : std::uint8_t { registered, heard, removed };

  Answer check(Node& node, BackendSettings& backend) const;
  const Entry* with_url(const Node& node) const;
  Entry& put(Node node, BackendSettings backend, TimePoint heard_at);
  void drop(const std::string& id, const char* why);
  void publish(const std::vector<std::string>& pools) const;
  void hear(Entry& entry, TimePoint when, bool from_store);
  std::int64_t silence_ms(const Entry& entry) const;
  void look();
  void remember(const std::string& id, Pending pending);
  Task<void> flow();
  Task<void> meet_store();
  Task<void> tell_store();
  Task<void> ask_store();
  void take_over(NodeStore::Stored stored);
  milliseconds kept_for() const { return settings_.node_timeout + settings_.cleanup_interval; }

  const RegistrationSettings settings_;
  const Links links_;
  net::Timers& timers_;
  NodeStore* const store_;
  std::map<std::string, Entry> nodes_;       // by id; at most limits::registered_nodes_max
  std::map<std::string, Pending> pending_;   // by id; bounded by nodes and removals
  TimePoint ask_at_ = 0;                     // when the store is asked next
  bool store_answered_ = false;              // once, at least
  bool store_away_ = false;                  // since it has answered
  TimePoint store_back_at_ = 0;
};

}  // namespace mcplb::cluster
