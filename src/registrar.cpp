#include "registrar.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "mcplb/config/config.hpp"

namespace mcplb {
namespace {

// What Membership calls the backends that come from here.
const std::string source = "registration";

cluster::Pool* find_pool(const proxy::SharedState& shared, const std::string& name) {
  for (const auto& pool : shared.pools) {
    if (pool->pool.name() == name) return &pool->pool;
  }
  return nullptr;
}

bool is_configured(const cluster::Pool& pool, const std::string& id) {
  const auto view = pool.view();
  const auto& backends = view->settings.backends;
  return std::any_of(
      backends.begin(), backends.end(),
      [&id](const cluster::BackendSettings& backend) { return backend.id == id; });
}

}  // namespace

cluster::Registration::Links Registrar::links(const Parts& parts) {
  const proxy::SharedState& shared = parts.shared;
  cluster::Membership& membership = parts.membership;
  cluster::Registration::Links links;
  links.pools = [&shared] {
    std::vector<std::string> names;
    for (const auto& pool : shared.pools)
      names.push_back(pool->pool.name());
    return names;
  };
  links.read = config::read_backend;
  links.taken = [&shared](const std::string& name, const std::string& id) {
    const cluster::Pool* const pool = find_pool(shared, name);
    return pool != nullptr && is_configured(*pool, id);
  };
  links.on_change = [&membership](const std::string& pool,
                                  std::vector<cluster::BackendSettings> backends) {
    membership.set_source(pool, source, std::move(backends));
  };
  links.on_silent = [&shared](const std::string& name, const std::string& id, bool silent) {
    const cluster::Pool* const pool = find_pool(shared, name);
    cluster::Backend* const backend = pool == nullptr ? nullptr : pool->view()->find(id);
    if (backend != nullptr) backend->set_silent(silent);
  };
  return links;
}

Registrar::Registrar(const cluster::RegistrationSettings& settings, const Parts& parts)
    : registration_(settings, links(parts), parts.timers,
                    parts.client == nullptr
                        ? nullptr
                        : &store_.emplace(*parts.client, parts.shared.store->prefix)) {}

}  // namespace mcplb
