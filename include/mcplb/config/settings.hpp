// The whole configuration: one immutable snapshot, made by `config`, read by `server`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mcplb/admin/settings.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/cluster/settings.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/settings.hpp"
#include "mcplb/proxy/settings.hpp"
#include "mcplb/redis/settings.hpp"
#include "mcplb/session/settings.hpp"
#include "mcplb/tracing/settings.hpp"

namespace mcplb::config {

// One element of pools[].backends: `dns` holds when it names a host, else `backend`.
struct BackendEntry {
  cluster::BackendSettings backend;
  cluster::DnsSettings dns;
};

struct PoolSettings {
  std::vector<BackendEntry> backends;  // as they are written
  cluster::PoolSettings cluster;       // its backends and dns are made from the above
  session::Settings sessions;
  proxy::ForwardSettings forward;
  std::vector<proxy::RouteSettings> routes{proxy::RouteSettings{}};
};

struct Settings {
  std::string instance;  // default: host name
  std::vector<net::ListenerSettings> listeners{net::ListenerSettings{}};
  admin::Settings admin;
  int workers = 0;  // 0: auto, one per usable core
  std::vector<std::string> secrets;
  net::ResolverSettings resolver;
  std::optional<redis::Settings> store;  // none: sessions live in this process only
  std::vector<PoolSettings> pools;
  http::Settings http;
  proxy::ClientSettings client;
  LogSettings log;
  cluster::RegistrationSettings registration;
  tracing::Settings tracing;
  milliseconds shutdown_delay{0};
  milliseconds shutdown_timeout{25'000};

  // Null when there is none of that name.
  const PoolSettings* pool(const std::string& name) const {
    for (const PoolSettings& each : pools) {
      if (each.cluster.name == name) return &each;
    }
    return nullptr;
  }
};

}  // namespace mcplb::config
