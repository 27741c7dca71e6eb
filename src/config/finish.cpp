#include "config/finish.hpp"

#include <array>
#include <map>
#include <tuple>

#include <unistd.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

#include "config/schema.hpp"
#include "config/tree.hpp"

namespace mcplb::config {
namespace {

std::string at_index(std::string_view list, std::size_t index) {
  return std::string(list) + '[' + std::to_string(index) + ']';
}

std::string quoted(std::string_view text) {
  return '"' + escaped(text) + '"';
}

bool is_written(const Node* node) {
  return node != nullptr && node->kind != Node::Kind::nothing &&
         !(node->kind == Node::Kind::scalar && node->text.empty());
}

// True when the list is missing or empty. A list of the wrong type is somebody else's complaint.
bool is_empty_list(const Node* node) {
  return !is_written(node) || (node->kind == Node::Kind::list && node->items.empty());
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "mcplb";
  return name.data();
}

class Finisher {
 public:
  Finisher(const Node& root, Settings& settings, Report& report)
      : root_(root),
        settings_(settings),
        report_(report) {}

  void finish() {
    if (settings_.instance.empty()) settings_.instance = host_name();
    check_listeners();
    check_admin();
    check_resolver();
    // `url: ${REDIS_URL:-}` may stand there with a prefix and ask for nothing.
    if (settings_.store && settings_.store->url.endpoints.empty()) settings_.store.reset();
    if (settings_.store) check_store_tls(*settings_.store);
    check_secrets();
    const Node* pools = lookup(root_, "pools");
    if (is_empty_list(pools)) {
      complain("pools", "nothing configured: pools[].backends is missing");
    }
    for (std::size_t i = 0; i < settings_.pools.size(); ++i) finish_pool(i);
    check_shadowed_routes();
  }

 private:
  // A problem at the value of the path, or at what is nearest to it in the file.
  void complain(std::string_view path, std::string message) {
    report_.add(place_of(root_, path), std::move(message));
  }

  // Remembers where a name was first seen and complains about the second time.
  using Seen = std::map<std::string, std::string, std::less<>>;
  void unique(Seen& seen, const std::string& name, const std::string& path, std::string_view what) {
    if (name.empty()) return;
    const auto [first, added] = seen.try_emplace(name, path);
    if (added) return;
    complain(path, std::string(what) + ' ' + quoted(name) + " is used twice: " + first->second +
                       " has it, too");
  }

  void check_listeners() {
    if (settings_.listeners.empty()) complain("listeners", "listeners needs at least one");
    Seen addresses;
    for (std::size_t i = 0; i < settings_.listeners.size(); ++i) {
      const net::ListenerSettings& listener = settings_.listeners[i];
      const std::string path = at_index("listeners", i);
      if (listener.name.empty()) complain(path + ".name", path + ".name must not be empty");
      check_listener_tls(listener.tls, path + ".tls");
      unique(listener_names_, listener.name, path + ".name", "the listener name");
      if (has_port_zero(listener.address)) continue;
      unique(addresses, listener.address, path + ".address", "the address");
    }
    const std::string& admin = settings_.admin.address;
    if (!has_port_zero(admin)) unique(addresses, admin, "admin.address", "the address");
  }

  void check_admin() {
    const admin::Settings& admin = settings_.admin;
    if (is_loopback(admin.address) || !admin.token.empty()) return;
    complain("admin.address", "admin.address " + quoted(admin.address) +
                                  " can be reached from other machines: set admin.token");
  }

  void check_resolver() {
    if (settings_.resolver.servers.size() <= limits::dns_servers_max) return;
    complain("resolver.servers",
             "resolver.servers has more than " + std::to_string(limits::dns_servers_max));
  }

  void check_secrets() {
    if (settings_.secrets.size() <= limits::secrets_max) return;
    complain("secrets", "secrets has more than " + std::to_string(limits::secrets_max) +
                            ": each is tried on every id");
  }

  // What is wrong with `secrets` itself is told once, there.
  void check_sessions(const session::Settings& sessions, const std::string& path) {
    const bool has_secrets = is_written(lookup(root_, "secrets")) &&
                             !is_empty_list(lookup(root_, "secrets"));
    if (sessions.identity == session::Identity::sealed && !has_secrets) {
      complain(path + ".identity", path + ".identity: sealed needs secrets: [\"…\"] (the same "
                                          "for all balancers; `openssl rand -hex 32` makes one)");
    }
    if (sessions.bind == session::Bind::none) return;
    if (sessions.identity == session::Identity::none) {
      complain(path + ".bind", path + ".bind: authorization binds nothing with identity: none");
    }
    if (sessions.on_unknown == session::OnUnknown::forward) {
      complain(path + ".bind", path + ".bind: authorization cannot hold with on_unknown: forward, "
                                      "which lets anybody use sessions that are not known");
    }
  }

  void finish_pool(std::size_t index) {
    PoolSettings& pool = settings_.pools[index];
    const std::string path = at_index("pools", index);
    if (!is_written(lookup(root_, path + ".name")) && settings_.pools.size() > 1) {
      complain(path, path + " needs a name, because there are several pools");
    } else {
      if (pool.cluster.name.empty()) pool.cluster.name = "default";
      unique(pool_names_, pool.cluster.name, path + ".name", "the pool name");
    }
    check_sessions(pool.sessions, path + ".sessions");
    check_routes(pool, path);
    finish_backends(pool, path);
  }

  // Of two equal routes the second would never match: mostly a second pool without routes.
  void check_shadowed_routes() {
    std::map<std::tuple<std::string, std::string, std::string>, std::string> seen;
    for (std::size_t p = 0; p < settings_.pools.size(); ++p) {
      const std::string pool = at_index("pools", p);
      const auto& routes = settings_.pools[p].routes;
      for (std::size_t r = 0; r < routes.size(); ++r) {
        const std::string path = at_index(pool + ".routes", r);
        const auto [first, added] =
            seen.try_emplace({routes[r].listener, routes[r].host, routes[r].path}, path);
        if (!added) complain(path, path + " matches the same requests as " + first->second);
      }
    }
  }

  void check_routes(const PoolSettings& pool, const std::string& pool_path) {
    if (pool.routes.empty()) complain(pool_path + ".routes", pool_path + ".routes needs a route");
    for (std::size_t i = 0; i < pool.routes.size(); ++i) {
      const std::string& listener = pool.routes[i].listener;
      if (listener.empty() || listener_names_.contains(listener)) continue;
      const std::string path = at_index(pool_path + ".routes", i) + ".listener";
      complain(path, path + ": there is no listener " + quoted(listener));
    }
  }

  void finish_backends(PoolSettings& pool, const std::string& pool_path) {
    const std::string list = pool_path + ".backends";
    // Where backends announce themselves, none need be known at the start.
    if (is_empty_list(lookup(root_, list)) && !settings_.registration.enabled) {
      complain(list, list + " needs at least one backend");
    }
    if (pool.backends.size() > limits::backends_max) {
      complain(list, list + " has more than " + std::to_string(limits::backends_max));
    }
    Seen ids;
    Seen names;
    for (std::size_t i = 0; i < pool.backends.size(); ++i) {
      const std::string path = at_index(list, i);
      BackendEntry& entry = pool.backends[i];
      const bool by_url = is_written(lookup(root_, path + ".url"));
      const bool by_dns = is_written(lookup(root_, path + ".dns"));
      if (!by_url && !by_dns) complain(path, path + " needs a url or dns");
      if (by_url && by_dns) complain(path + ".dns", path + " has url and dns: it wants one");
      if (by_dns) {
        const cluster::DnsSettings& dns = entry.dns;
        const bool known = !dns.host.empty();
        unique(names, known ? host_port_text({dns.host, dns.port, dns.https}) : "", path + ".dns",
               "the name");
        pool.cluster.dns.push_back(finished_dns(entry, path));
      } else {
        pool.cluster.backends.push_back(finished_backend(entry, path, ids));
      }
    }
  }

  cluster::BackendSettings finished_backend(BackendEntry& entry, const std::string& path,
                                            Seen& ids) {
    cluster::BackendSettings& backend = entry.backend;
    const bool named = !backend.id.empty();
    if (!named && !backend.host.empty()) {
      backend.id = host_port_text({backend.host, backend.port, backend.https});
    }
    unique(ids, backend.id, path + (named ? ".id" : ".url"), "the backend id");
    check_backend_tls(backend.tls, backend.https, path);
    return backend;
  }

  // What an element has in common with other backends is read into its `backend`.
  cluster::DnsSettings finished_dns(BackendEntry& entry, const std::string& path) {
    entry.dns.weight = entry.backend.weight;
    entry.dns.tls = entry.backend.tls;
    if (!entry.backend.id.empty()) {
      complain(path + ".id", path + ".id: the backends behind dns are named by their address");
    }
    check_backend_tls(entry.dns.tls, entry.dns.https, path);
    return entry.dns;
  }

  // A certificate is of no use without its key.
  void check_pair(const net::TlsCertificateSettings& pair, const std::string& path) {
    if (pair.certificate.empty() == pair.key.empty()) return;
    const char* const missing = pair.key.empty() ? "key" : "certificate";
    complain(path, path + " needs a " + missing + ", too");
  }

  void check_listener_tls(const net::TlsServerSettings& tls, const std::string& path) {
    check_pair({tls.certificate, tls.key}, path);
    const std::string list = path + ".certificates";
    if (tls.certificates.size() > limits::tls_certificates_max) {
      complain(list, list + " has more than " + std::to_string(limits::tls_certificates_max));
    }
    for (std::size_t i = 0; i < tls.certificates.size(); ++i) {
      const std::string element = at_index(list, i);
      check_pair(tls.certificates[i], element);
      const bool empty = tls.certificates[i].certificate.empty() && tls.certificates[i].key.empty();
      if (empty) complain(element, element + " needs a certificate and a key");
    }
    const bool wants_tls = tls.min_version != net::TlsServerSettings::Version::v1_2;
    if (wants_tls && !tls.enabled()) complain(path, path + " needs a certificate and a key");
  }

  void check_backend_tls(const net::TlsClientSettings& tls, bool https, const std::string& path) {
    check_pair({tls.certificate, tls.key}, path + ".tls");
    if (https || tls == net::TlsClientSettings{}) return;
    complain(path + ".tls", path + ".tls is for https:// URLs");
  }

  void check_store_tls(const redis::Settings& store) {
    check_pair({store.tls.certificate, store.tls.key}, "store.redis.tls");
    if (store.url.uses_tls() || store.tls == redis::Settings().tls) return;
    complain("store.redis.tls", "store.redis.tls is for rediss:// URLs");
  }

  const Node& root_;
  Settings& settings_;
  Report& report_;
  Seen listener_names_;
  Seen pool_names_;
};

}  // namespace

void finish_settings(const Node& root, Settings& settings, Report& report) {
  Finisher(root, settings, report).finish();
}

std::vector<std::string> notes_on(const Settings& settings) {
  std::vector<std::string> notes;
  for (std::size_t i = 0; i < settings.pools.size(); ++i) {
    const session::Settings& sessions = settings.pools[i].sessions;
    const std::string path = at_index("pools", i) + ".sessions";
    const bool sealed = sessions.identity == session::Identity::sealed;
    const bool binds = sessions.bind == session::Bind::authorization;
    if (binds && settings.secrets.empty()) {
      notes.push_back(path +
                      ".bind: without secrets, bindings hold in this process only: after a "
                      "restart, and for other balancers, its sessions are unknown");
    } else if (binds && !sealed && !settings.store) {
      notes.push_back(path +
                      ".bind: no backend is asked for a bound session: without a store, or "
                      "identity: sealed, a restart loses its sessions");
    }
    if (sealed && sessions.on_backend_loss == session::OnBackendLoss::reestablish &&
        !settings.store) {
      notes.push_back(path +
                      ".on_backend_loss: the seal of a moved session still names its first owner: "
                      "without a store only the balancer that moved it knows where it is");
    }
  }
  return notes;
}

}  // namespace mcplb::config
