// What a reload would change, and whether it may: both from the schema's table.
#include <algorithm>

#include "mcplb/config/config.hpp"

#include "config/print.hpp"
#include "config/schema.hpp"

namespace mcplb::config {
namespace {

// Two scopes of the same type, and what they are called.
struct Pair {
  std::string path;
  const void* running;
  const void* next;
};

bool same_below(std::string_view path, const void* running, const void* next);

bool same_list(const Row& row, const void* running, const void* next) {
  const std::size_t size = row.list.size(running);
  if (size != row.list.size(next)) return false;
  for (std::size_t i = 0; i < size; ++i) {
    const void* const one = row.list.const_at(running, i);
    if (!same_below(row.path, one, row.list.const_at(next, i))) return false;
  }
  return true;
}

bool same_below(std::string_view path, const void* running, const void* next) {
  const auto same = [&](const Row* row) {
    if (row->kind == Kind::section) return same_below(row->path, running, next);
    if (row->kind == Kind::list) return same_list(*row, running, next);
    return same_value(*row, running, next);
  };
  const std::vector<const Row*> inside = children(path);
  return std::all_of(inside.begin(), inside.end(), same);
}

class Comparison {
 public:
  void compare(std::string_view path, const Pair& pair) {
    for (const Row* row : children(path)) {
      const Pair inside{joined_path(pair.path, row->key()), pair.running, pair.next};
      if (row->kind == Kind::section) {
        compare(row->path, inside);
      } else if (row->kind == Kind::list) {
        compare_list(*row, inside);
      } else {
        compare_value(*row, inside);
      }
    }
  }

  Differences take() { return std::move(differences_); }

 private:
  void compare_value(const Row& row, const Pair& pair) {
    if (same_value(row, pair.running, pair.next)) return;
    if (!needs_restart(row)) {
      differences_.keys.push_back(pair.path);
      return;
    }
    const std::string before = shown_value(row, pair.running);
    const std::string after = shown_value(row, pair.next);
    refuse(pair.path, before, after == before ? "another" : after);
  }

  void compare_list(const Row& row, const Pair& pair) {
    if (row.path == "pools[]") {
      compare_pools(pair);
    } else if (!needs_restart(row)) {
      if (!same_list(row, pair.running, pair.next)) differences_.keys.push_back(pair.path);
    } else {
      compare_elements(row, pair);
    }
  }

  // A list that keeps its length, and so its order.
  void compare_elements(const Row& row, const Pair& pair) {
    const std::size_t before = row.list.size(pair.running);
    const std::size_t after = row.list.size(pair.next);
    if (before != after) {
      refuse(pair.path, std::to_string(before) + " of them", std::to_string(after));
      return;
    }
    for (std::size_t i = 0; i < before; ++i) {
      compare(row.path, {pair.path + '[' + std::to_string(i) + ']',
                         row.list.const_at(pair.running, i), row.list.const_at(pair.next, i)});
    }
  }

  void compare_pools(const Pair& pair) {
    const Settings& running = *static_cast<const Settings*>(pair.running);
    const Settings& next = *static_cast<const Settings*>(pair.next);
    for (const PoolSettings& pool : running.pools) {
      const std::string path = pair.path + '[' + pool.cluster.name + ']';
      const PoolSettings* const same = next.pool(pool.cluster.name);
      if (same == nullptr) {
        differences_.keys.push_back(path);
      } else {
        compare("pools[]", {path, &pool, same});
      }
    }
    for (const PoolSettings& pool : next.pools) {
      if (running.pool(pool.cluster.name) != nullptr) continue;
      differences_.keys.push_back(pair.path + '[' + pool.cluster.name + ']');
    }
  }

  void refuse(const std::string& key, const std::string& before, const std::string& after) {
    differences_.refused.push_back(
        {key, key + ": " + before + " cannot become " + after + " without a restart"});
  }

  Differences differences_;
};

// Whether a listener speaks TLS at all is no key's value.
void check_tls_switches(const Settings& running, const Settings& next, Differences& differences) {
  if (running.listeners.size() != next.listeners.size()) return;
  for (std::size_t i = 0; i < running.listeners.size(); ++i) {
    const bool before = running.listeners[i].tls.enabled();
    const bool after = next.listeners[i].tls.enabled();
    if (before == after) continue;
    const std::string key = "listeners[" + std::to_string(i) + "].tls";
    differences.refused.push_back(
        {key, key + (after ? ": plain HTTP cannot become TLS without a restart"
                           : ": TLS cannot become plain HTTP without a restart")});
  }
}

}  // namespace

Differences differences(const Settings& running, const Settings& next) {
  Comparison comparison;
  comparison.compare("", {"", &running, &next});
  Differences found = comparison.take();
  check_tls_switches(running, next, found);
  return found;
}

}  // namespace mcplb::config
