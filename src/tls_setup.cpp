#include "tls_setup.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/log.hpp"

namespace mcplb {
namespace {

std::string sentence(const net::TlsProblem& problem) {
  return problem.file + ' ' + problem.reason;
}

}  // namespace

std::vector<config::Complaint> inspect_tls_files(const config::Settings& settings) {
  std::vector<config::Complaint> complaints;
  net::TlsProblem problem;
  for (std::size_t i = 0; i < settings.listeners.size(); ++i) {
    const net::TlsServerSettings& tls = settings.listeners[i].tls;
    if (!tls.enabled() || net::TlsServerContext::create(tls, problem)) continue;
    const std::string path = "listeners[" + std::to_string(i) + "].tls.";
    complaints.push_back({path + problem.key, sentence(problem)});
  }
  std::vector<net::TlsClientSettings> fine;  // mostly all backends share one
  for (std::size_t p = 0; p < settings.pools.size(); ++p) {
    const auto& backends = settings.pools[p].backends;
    for (std::size_t b = 0; b < backends.size(); ++b) {
      const net::TlsClientSettings& tls = backends[b].backend.tls;  // of dns, too
      const bool known = std::find(fine.begin(), fine.end(), tls) != fine.end();
      const bool https = backends[b].backend.https || backends[b].dns.https;
      if (!https || known) continue;
      if (net::TlsClientContext::create(tls, problem)) {
        fine.push_back(tls);
        continue;
      }
      const std::string path =
          "pools[" + std::to_string(p) + "].backends[" + std::to_string(b) + "].tls.";
      complaints.push_back({path + problem.key, sentence(problem)});
    }
  }
  const bool store_has_tls = settings.store && settings.store->url.uses_tls();
  if (store_has_tls && !net::TlsClientContext::create(settings.store->tls, problem)) {
    complaints.push_back({"store.redis.tls." + problem.key, sentence(problem)});
  }
  return complaints;
}

std::unique_ptr<net::TlsServerContext> TlsSetup::for_listener(const net::ListenerSettings& listener,
                                                              std::string& message) {
  net::TlsProblem problem;
  auto context = net::TlsServerContext::create(listener.tls, problem);
  if (context) {
    watched_.push_back({"listener " + listener.name, context.get()});
  } else {
    message = "listener " + listener.name + ": tls." + problem.key + ": " + sentence(problem);
  }
  return context;
}

const net::TlsClientContext* TlsSetup::for_backend(const net::TlsClientSettings& settings,
                                                   std::string& message) {
  for (const Client& client : clients_) {
    if (client.settings == settings) return client.context.get();
  }
  return add_client(settings, "backends", "backend tls.", message);
}

const net::TlsClientContext* TlsSetup::for_store(const net::TlsClientSettings& settings,
                                                 std::string& message) {
  return add_client(settings, "store", "store.redis.tls.", message);
}

const net::TlsClientContext* TlsSetup::for_collector(const net::TlsClientSettings& settings,
                                                     std::string& message) {
  return add_client(settings, "tracing", "OTEL_EXPORTER_OTLP_CERTIFICATE and its kin: ", message);
}

const net::TlsClientContext* TlsSetup::add_client(const net::TlsClientSettings& settings,
                                                  const std::string& owner,
                                                  const std::string& path, std::string& message) {
  net::TlsProblem problem;
  auto context = net::TlsClientContext::create(settings, problem);
  if (!context) {
    message = path + problem.key + ": " + sentence(problem);
    return nullptr;
  }
  watched_.push_back({owner, context.get()});
  clients_.push_back({settings, std::move(context)});
  return clients_.back().context.get();
}

void TlsSetup::reload_changed() const {
  for (const Watched& watched : watched_) {
    net::TlsProblem problem;
    const auto outcome = watched.context->reload_if_changed(problem);
    if (outcome == net::TlsContext::Reload::loaded) {
      log::event(LogLevel::info, "tls_files_reloaded", "of", watched.owner);
    }
    if (outcome == net::TlsContext::Reload::failed) {
      log::event(LogLevel::error, "tls_reload_failed", "of", watched.owner, "key", problem.key,
                 "file", problem.file, "reason", problem.reason, "effect", "the old ones are kept");
    }
  }
}

}  // namespace mcplb
