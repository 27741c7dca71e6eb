#include <map>
#include <mutex>
#include <utility>

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/net/tls.hpp"

#include "net/tls_context.hpp"

namespace mcplb::net {
namespace {

struct FreeResumable {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Resumable = std::unique_ptr<SSL_SESSION, FreeResumable>;

// What is loaded for a client.
struct ClientBundle {
  OwnedContext context;
  mutable std::mutex mutex;  // guards what follows
  // The last session of each server. Never shrinks: connections refer to its entries.
  mutable std::map<std::string, Resumable, std::less<>> sessions;

  std::pair<const std::string, Resumable>* slot_of(std::string_view server) const {
    auto found = sessions.find(server);
    if (found != sessions.end()) return &*found;
    if (sessions.size() >= limits::tls_sessions_kept) return nullptr;
    return &*sessions.emplace(std::string(server), nullptr).first;
  }
};

// OpenSSL gives a reference to `session` when this returns 1.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* const slot = static_cast<std::pair<const std::string, Resumable>*>(SSL_get_app_data(ssl));
  auto* const bundle = static_cast<const ClientBundle*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (slot == nullptr) return 0;
  const std::lock_guard lock(bundle->mutex);
  slot->second.reset(session);
  return 1;
}

bool is_ip(const std::string& host) {
  in6_addr out{};
  return inet_pton(AF_INET, host.c_str(), &out) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &out) == 1;
}

void expect_server(SSL* ssl, const std::string& server, bool verify) {
  MCPLB_ASSERT(!server.empty());
  const bool by_address = is_ip(server);
  if (!by_address) SSL_set_tlsext_host_name(ssl, server.c_str());
  if (!verify) return;
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // A name that OpenSSL cannot take would leave any name accepted.
  const int set = by_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server.c_str())
                             : SSL_set1_host(ssl, server.c_str());
  MCPLB_ASSERT(set == 1);
}

}  // namespace

struct TlsClientContext::State {
  TlsClientSettings settings;
  mutable std::mutex mutex;  // guards the pointer
  std::shared_ptr<const ClientBundle> bundle;
};

TlsClientContext::TlsClientContext(TlsClientSettings settings) : state_(std::make_unique<State>()) {
  state_->settings = std::move(settings);
}
TlsClientContext::~TlsClientContext() = default;

std::unique_ptr<TlsClientContext> TlsClientContext::create(TlsClientSettings settings,
                                                           TlsProblem& problem) {
  std::unique_ptr<TlsClientContext> context(new TlsClientContext(std::move(settings)));
  // Without any file nothing ever differs: the first load is not a reload.
  const Reload by_files = context->reload_if_changed(problem);
  const bool loaded =
      by_files == Reload::loaded || (by_files == Reload::unchanged && context->load(problem));
  return loaded ? std::move(context) : nullptr;
}

std::vector<std::string> TlsClientContext::files() const {
  std::vector<std::string> files;
  const TlsClientSettings& settings = state_->settings;
  for (const std::string& file : {settings.ca, settings.certificate, settings.key}) {
    if (!file.empty()) files.push_back(file);
  }
  return files;
}

bool TlsClientContext::load(TlsProblem& problem) {
  const TlsClientSettings& settings = state_->settings;
  auto bundle = std::make_unique<ClientBundle>();
  bundle->context = make_tls_context(TLS_client_method());
  SSL_CTX* const raw = bundle->context.get();
  if (settings.verify && !trust(raw, settings.ca, problem)) return false;
  if (!settings.certificate.empty() &&
      !use_certificate(raw, {settings.certificate, settings.key}, "", problem)) {
    return false;
  }
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(raw, keep_session);
  SSL_CTX_set_app_data(raw, bundle.get());
  if (!settings.alpn.empty()) {
    std::string offered(1, static_cast<char>(settings.alpn.size()));
    offered += settings.alpn;
    SSL_CTX_set_alpn_protos(raw, reinterpret_cast<const unsigned char*>(offered.data()),
                            static_cast<unsigned int>(offered.size()));
  }
  const std::lock_guard lock(state_->mutex);
  state_->bundle = std::move(bundle);
  return true;
}

TlsSession TlsClientContext::new_session(std::string_view server) const {
  TlsSession session;
  std::shared_ptr<const ClientBundle> bundle;
  {
    const std::lock_guard lock(state_->mutex);
    bundle = state_->bundle;
  }
  session.ssl.reset(SSL_new(bundle->context.get()));
  MCPLB_ASSERT(session.ssl != nullptr);
  SSL* const ssl = session.ssl.get();
  SSL_set_connect_state(ssl);
  expect_server(ssl, std::string(server), state_->settings.verify);
  {
    const std::lock_guard lock(bundle->mutex);
    auto* const slot = bundle->slot_of(server);
    SSL_set_app_data(ssl, slot);
    if (slot != nullptr && slot->second) SSL_set_session(ssl, slot->second.get());
  }
  session.context = std::move(bundle);
  return session;
}

}  // namespace mcplb::net
