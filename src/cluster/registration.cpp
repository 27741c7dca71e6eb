#include "mcplb/cluster/registration.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb::cluster {
namespace {

using Outcome = Registration::Outcome;
using Answer = Registration::Answer;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == limits::named_in_message_max) return text + ", …";
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return text;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The pools that the node names, or the only one there is.
Answer choose_pools(Node& node, const std::vector<std::string>& known) {
  if (node.pools.empty() && known.size() == 1) node.pools = known;
  if (node.pools.empty()) {
    return {Outcome::invalid, "pools is missing, and there are several: " + listed(known)};
  }
  if (node.pools.size() > limits::node_pools_max) {
    return {Outcome::invalid,
            "pools names more than " + std::to_string(limits::node_pools_max)};
  }
  std::sort(node.pools.begin(), node.pools.end());
  node.pools.erase(std::unique(node.pools.begin(), node.pools.end()), node.pools.end());
  for (const std::string& pool : node.pools) {
    if (contains(known, pool)) continue;
    return {Outcome::unknown_pool,
            "there is no pool " + escaped(pool, 64) + ": there are " + listed(known)};
  }
  return {};
}

Answer check_sizes(const Node& node) {
  const auto too_long = [](const std::string& text, std::size_t max) {
    return text.size() > max;
  };
  if (node.id.empty()) return {Outcome::invalid, "id must not be empty"};
  if (too_long(node.id, limits::node_id_bytes_max) ||
      too_long(node.name, limits::node_name_bytes_max) ||
      too_long(node.url, limits::node_url_bytes_max)) {
    return {Outcome::invalid, "id, name or url is too long"};
  }
  if (node.weight < 1 || node.weight > limits::weight_max) {
    return {Outcome::invalid, "weight is a number from 1 to " + std::to_string(limits::weight_max)};
  }
  return {};
}

}  // namespace

Registration::Registration(const RegistrationSettings& settings, Links links, net::Timers& timers,
                           NodeStore* store)
    : settings_(settings),
      links_(std::move(links)),
      timers_(timers),
      store_(store) {}

void Registration::start(Nursery& nursery) { nursery.spawn(flow()); }

// Brings the node into its one form. An answer with a message refuses it.
Answer Registration::check(Node& node, BackendSettings& backend) const {
  Answer wrong = check_sizes(node);
  if (!wrong.message.empty()) return wrong;
  wrong = choose_pools(node, links_.pools());
  if (!wrong.message.empty()) return wrong;
  const std::string unread = links_.read(node.id, node.url, backend);
  if (!unread.empty()) return {Outcome::invalid, unread};
  backend.weight = node.weight;
  for (const std::string& pool : node.pools) {
    if (!links_.taken(pool, node.id)) continue;
    return {Outcome::conflict,
            "pool " + pool + " has a backend " + escaped(node.id, 64) + " of its own"};
  }
  return {};
}

// Another node in one of its pools that is alive at the same place.
const Registration::Entry* Registration::with_url(const Node& node) const {
  for (const auto& [id, entry] : nodes_) {
    if (id == node.id || entry.silent || entry.node.url != node.url) continue;
    const bool meets = std::any_of(node.pools.begin(), node.pools.end(),
                                   [&known = entry.node.pools](const std::string& pool) {
                                     return contains(known, pool);
                                   });
    if (meets) return &entry;
  }
  return nullptr;
}

Answer Registration::announce(Node node) {
  BackendSettings backend;
  Answer wrong = check(node, backend);
  if (!wrong.message.empty()) return wrong;
  if (const Entry* const other = with_url(node)) {
    return {Outcome::conflict,
            "node " + other->node.id + " is registered with this url, and alive"};
  }
  const auto known = nodes_.find(node.id);
  const bool is_new = known == nodes_.end();
  if (is_new && nodes_.size() >= limits::registered_nodes_max) {
    count_limit_hit(Limit::registered_nodes);
    return {Outcome::full, "there are " + std::to_string(nodes_.size()) + " nodes already"};
  }
  remember(node.id, Pending::registered);
  if (!is_new && known->second.node == node) {
    hear(known->second, timers_.now(), false);
    return {Outcome::renewed, ""};
  }
  put(std::move(node), std::move(backend), timers_.now());
  return {is_new ? Outcome::added : Outcome::renewed, ""};
}

Answer Registration::heartbeat(const std::string& id) {
  const auto known = nodes_.find(id);
  if (known == nodes_.end()) {
    return {Outcome::unknown_node, "node " + escaped(id, 64) + " is not known: register again"};
  }
  hear(known->second, timers_.now(), false);
  // A registration that the store has not heard of says more.
  if (!pending_.contains(id)) remember(id, Pending::heard);
  return {};
}

Answer Registration::remove(const std::string& id) {
  if (!nodes_.contains(id)) {
    return {Outcome::unknown_node, "node " + escaped(id, 64) + " is not known"};
  }
  remember(id, Pending::removed);
  drop(id, "removed");
  return {};
}

std::vector<Registration::Listed> Registration::nodes() const {
  std::vector<Listed> nodes;
  nodes.reserve(nodes_.size());
  for (const auto& [id, entry] : nodes_) {
    nodes.push_back({entry.node, milliseconds(timers_.now() - entry.heard_at), entry.silent});
  }
  return nodes;
}

Registration::Entry& Registration::put(Node node, BackendSettings backend,
                                       TimePoint heard_at) {
  Entry& entry = nodes_[node.id];
  std::vector<std::string> changed = entry.node.pools;  // those that it may leave
  for (const std::string& pool : node.pools) {
    if (!contains(changed, pool)) changed.push_back(pool);
  }
  log::event(LogLevel::info, "node_registered", "node", node.id, "url", node.url, "pools",
             listed(node.pools), "weight", node.weight);
  entry.node = std::move(node);
  entry.backend = std::move(backend);
  entry.heard_at = heard_at;
  entry.from_store = false;
  entry.silent = timers_.now() - heard_at > settings_.node_timeout.count();
  publish(changed);
  return entry;
}

void Registration::drop(const std::string& id, const char* why) {
  const auto found = nodes_.find(id);
  const std::vector<std::string> pools = found->second.node.pools;
  log::event(LogLevel::info, "node_removed", "node", id, "why", why);
  nodes_.erase(found);
  publish(pools);
}

void Registration::publish(const std::vector<std::string>& pools) const {
  for (const std::string& pool : pools) {
    std::vector<BackendSettings> backends;
    for (const auto& [id, entry] : nodes_) {
      if (contains(entry.node.pools, pool)) backends.push_back(entry.backend);
    }
    links_.on_change(pool, std::move(backends));
    for (const auto& [id, entry] : nodes_) {
      if (contains(entry.node.pools, pool)) links_.on_silent(pool, id, entry.silent);
    }
  }
}

void Registration::hear(Entry& entry, TimePoint when, bool from_store) {
  // What comes back from the store may be what this balancer wrote there, a moment off.
  const bool is_news = when > entry.heard_at + limits::registration_look.count();
  if (is_news || !from_store) entry.from_store = from_store;
  entry.heard_at = std::max(entry.heard_at, when);
  if (!entry.silent || timers_.now() - entry.heard_at > settings_.node_timeout.count()) return;
  entry.silent = false;
  log::event(LogLevel::info, "node_heard_again", "node", entry.node.id);
  for (const std::string& pool : entry.node.pools)
    links_.on_silent(pool, entry.node.id, false);
}

// While the store is away, nobody knows whether other balancers hear the node.
std::int64_t Registration::silence_ms(const Entry& entry) const {
  if (!entry.from_store) return timers_.now() - entry.heard_at;
  if (store_away_) return 0;
  return timers_.now() - std::max(entry.heard_at, store_back_at_);
}

// Who has been silent for too long.
void Registration::look() {
  std::vector<std::string> gone;
  for (auto& [id, entry] : nodes_) {
    const std::int64_t age = silence_ms(entry);
    if (age > kept_for().count()) {
      gone.push_back(id);
    } else if (age > settings_.node_timeout.count() && !entry.silent) {
      entry.silent = true;
      log::event(LogLevel::warn, "node_silent", "node", id, "for_ms", age);
      for (const std::string& pool : entry.node.pools)
        links_.on_silent(pool, id, true);
    }
  }
  for (const std::string& id : gone)
    drop(id, "silent");
}

void Registration::remember(const std::string& id, Pending pending) {
  if (store_ == nullptr) return;
  // While the store is away, removals of nodes that are gone must not pile up.
  if (pending_.size() >= 2 * limits::registered_nodes_max && !pending_.contains(id)) {
    pending_.erase(pending_.begin());
  }
  pending_[id] = pending;
}

Task<void> Registration::flow() {
  while (true) {
    if (store_ != nullptr) co_await meet_store();
    look();
    const Deadline next = timers_.in(limits::registration_look);
    co_await timers_.sleep(next);
  }
}

Task<void> Registration::meet_store() {
  if (!store_->connected()) {
    store_away_ = store_answered_;
    co_return;
  }
  co_await tell_store();
  if (ask_at_ <= timers_.now()) co_await ask_store();
}

Task<void> Registration::tell_store() {
  while (!pending_.empty()) {
    const auto [id, what] = *pending_.begin();
    const auto known = nodes_.find(id);
    pending_.erase(pending_.begin());
    bool told = true;
    if (what == Pending::removed) {
      auto removed = co_await store_->remove(id, kept_for());
      told = static_cast<bool>(removed);
    } else if (known != nodes_.end()) {
      NodeStore::Heard heard;
      heard.registered = what == Pending::registered;
      heard.age = milliseconds(timers_.now() - known->second.heard_at);
      Node node = known->second.node;
      auto saved = co_await store_->save(std::move(node), heard, kept_for());
      told = static_cast<bool>(saved);
      const bool removed_elsewhere = saved && !*saved && !pending_.contains(id);
      if (removed_elsewhere && nodes_.contains(id)) drop(id, "removed at another balancer");
    }
    if (told) continue;
    pending_.try_emplace(id, what);  // what was said meanwhile is newer
    co_return;
  }
}

Task<void> Registration::ask_store() {
  ask_at_ = timers_.now() + std::min(limits::registration_ask, settings_.node_timeout / 3).count();
  auto stored = co_await store_->load();
  if (!stored) {
    store_away_ = store_answered_;
    co_return;
  }
  if (store_away_) store_back_at_ = timers_.now();
  store_away_ = false;
  store_answered_ = true;
  for (NodeStore::Stored& each : *stored)
    take_over(std::move(each));
}

// What another balancer, or this one before it was restarted, has heard.
void Registration::take_over(NodeStore::Stored stored) {
  const std::string id = stored.node.id;
  if (pending_.contains(id)) return;  // this balancer has something newer to say
  const TimePoint when = timers_.now() - stored.age.count();
  const auto known = nodes_.find(id);
  const bool is_known = known != nodes_.end();
  if (stored.removed) {
    if (is_known && known->second.heard_at < when) drop(id, "removed at another balancer");
    return;
  }
  if (stored.age > kept_for()) return;
  BackendSettings backend;
  const Answer wrong = check(stored.node, backend);
  if (!wrong.message.empty()) {
    log::event(LogLevel::debug, "node_left_out", "node", id, "why", wrong.message);
    return;
  }
  if (is_known && known->second.node == stored.node) return hear(known->second, when, true);
  if (!is_known && nodes_.size() >= limits::registered_nodes_max) return;
  // Registrations are written at once and heartbeats change nothing else, so the store knows best
  // what a node is.
  const TimePoint heard_at = is_known ? std::max(known->second.heard_at, when) : when;
  put(std::move(stored.node), std::move(backend), heard_at).from_store = true;
}

}  // namespace mcplb::cluster
