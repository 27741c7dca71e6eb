#include "mcplb/cluster/membership.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/metrics.hpp"

namespace mcplb::cluster {
namespace {

const std::string from_file = "file";

bool contains(const std::vector<Backend*>& backends, const Backend* backend) {
  return std::find(backends.begin(), backends.end(), backend) != backends.end();
}

bool names(const std::vector<Backend*>& backends, std::string_view name) {
  return std::any_of(backends.begin(), backends.end(),
                     [name](const Backend* backend) { return backend->name() == name; });
}

void say(const char* event, const Pool& pool, const Backend& backend, std::string_view why) {
  log::event(LogLevel::info, event, "pool", pool.name(), "backend", backend.name(), "why", why);
}

}  // namespace

Membership::Kept* Membership::kept(std::string_view pool) {
  for (const auto& each : pools_) {
    if (each->pool->name() == pool) return each.get();
  }
  return nullptr;
}

const Membership::Kept* Membership::kept(std::string_view pool) const {
  return const_cast<Membership*>(this)->kept(pool);
}

void Membership::add(Pool& pool) {
  pools_.push_back(std::make_unique<Kept>());
  Kept& kept = *pools_.back();
  kept.pool = &pool;
  kept.sources[from_file] = pool.view()->settings.backends;
}

void Membership::set_source(std::string_view pool, const std::string& source,
                            std::vector<BackendSettings> backends) {
  Kept* const found = kept(pool);
  if (found == nullptr) return;
  found->sources[source] = std::move(backends);
  rebuild(*found);
}

void Membership::set_settings(std::string_view pool, PoolSettings settings) {
  Kept* const found = kept(pool);
  if (found == nullptr) return;
  PoolView view = *found->pool->view();
  view.settings = std::move(settings);
  found->pool->set_view(std::move(view));
}

// Members that stay keep their place, so that balancers do not begin anew for nothing.
void Membership::rebuild(Kept& kept) {
  std::vector<Backend*> named;
  for (const auto& [source, backends] : kept.sources) {
    for (const BackendSettings& settings : backends) {
      if (names(named, settings.id)) continue;
      if (named.size() >= limits::backends_max) {
        count_limit_hit(Limit::backends_known);
        break;
      }
      Backend* const backend = registry_.add(kept.pool->name(), settings);
      if (backend != nullptr) named.push_back(backend);
    }
  }
  PoolView view = *kept.pool->view();
  for (Backend* backend : view.backends) {
    if (!contains(named, backend)) note_leaving(kept, *backend, true);
  }
  for (Backend* backend : named) {
    const auto leaving = std::find_if(kept.leaving.begin(), kept.leaving.end(),
                                      [&](const Leaving& each) { return each.backend == backend; });
    // It is named again: whoever asked for its removal takes it back. What the operator wanted of
    // it before holds.
    if (leaving != kept.leaving.end() && leaving->removed) {
      backend->set_mode(leaving->before);
      leaving->removed = false;
      if (leaving->before != Mode::draining) kept.leaving.erase(leaving);
      say("backend_returned", *kept.pool, *backend, "it is named again");
    }
    if (contains(view.backends, backend)) continue;
    if (hooks_.prepare && !hooks_.prepare(*backend)) continue;
    backend->set_mode(Mode::active);
    backend->set_gone_since(0);
    // Before one that leaves under the same name: that name means the new one now.
    const auto place =
        std::find_if(view.backends.begin(), view.backends.end(),
                     [&](const Backend* each) { return each->name() == backend->name(); });
    view.backends.insert(place, backend);
    say("backend_added", *kept.pool, *backend, "it is named");
  }
  kept.pool->set_view(std::move(view));
  if (hooks_.changed) hooks_.changed(*kept.pool);
}

void Membership::note_leaving(Kept& kept, Backend& backend, bool removed) {
  const auto known = std::find_if(kept.leaving.begin(), kept.leaving.end(),
                                  [&](const Leaving& each) { return each.backend == &backend; });
  if (known != kept.leaving.end()) {
    if (removed && !known->removed) known->since = monotonic_ms();
    known->removed = known->removed || removed;
    return;
  }
  const Mode before = removed ? backend.mode() : Mode::draining;
  backend.set_mode(Mode::draining);
  kept.leaving.push_back({&backend, monotonic_ms(), removed, before});
  say("backend_draining", *kept.pool, backend, removed ? "nobody names it any more" : "command");
}

void Membership::forget_leaving(Kept& kept, const Backend& backend) {
  std::erase_if(kept.leaving, [&](const Leaving& each) { return each.backend == &backend; });
}

Backend* Membership::set_mode(std::string_view pool, std::string_view name, Mode mode) {
  Kept* const found = kept(pool);
  if (found == nullptr) return nullptr;
  Backend* const backend = found->pool->view()->find(name);
  if (backend == nullptr) return nullptr;
  const auto leaving = std::find_if(found->leaving.begin(), found->leaving.end(),
                                    [&](const Leaving& each) { return each.backend == backend; });
  if (leaving != found->leaving.end() && leaving->removed) {
    // Nobody names it: it leaves all the same, and is so when it is named again.
    leaving->before = mode;
    if (mode == Mode::disabled) backend->set_mode(mode);
    return backend;
  }
  if (mode == Mode::draining) {
    note_leaving(*found, *backend, false);
  } else {
    forget_leaving(*found, *backend);
  }
  backend->set_mode(mode);
  if (hooks_.changed) hooks_.changed(*found->pool);
  return backend;
}

std::vector<Membership::Leaving> Membership::draining(std::string_view pool) const {
  const Kept* const found = kept(pool);
  return found == nullptr ? std::vector<Leaving>() : found->leaving;
}

void Membership::let_go(std::string_view pool, Backend& backend) {
  Kept* const found = kept(pool);
  if (found == nullptr) return;
  forget_leaving(*found, backend);
  PoolView view = *found->pool->view();
  std::erase(view.backends, &backend);
  found->pool->set_view(std::move(view));
  backend.set_gone_since(monotonic_ms());
  say("backend_removed", *found->pool, backend, "nobody names it any more");
  if (hooks_.changed) hooks_.changed(*found->pool);
}

}  // namespace mcplb::cluster
