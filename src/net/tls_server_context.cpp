#include <mutex>
#include <tuple>
#include <utility>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "mcplb/net/tls.hpp"

#include "net/tls_context.hpp"

namespace mcplb::net {
namespace {

constexpr unsigned char http_1_1[] = "\x08http/1.1";
constexpr unsigned int http_1_1_size = sizeof http_1_1 - 1;

std::vector<TlsCertificateSettings> pairs_of(const TlsServerSettings& settings) {
  std::vector<TlsCertificateSettings> pairs;
  if (!settings.certificate.empty()) pairs.push_back({settings.certificate, settings.key});
  pairs.insert(pairs.end(), settings.certificates.begin(), settings.certificates.end());
  return pairs;
}

std::string prefix_of(const TlsServerSettings& settings, std::size_t pair) {
  const std::size_t singles = settings.certificate.empty() ? 0 : 1;
  if (pair < singles) return "";
  return "certificates[" + std::to_string(pair - singles) + "].";
}

// What is loaded for a server. Immutable: a reload makes another one.
struct ServerBundle {
  std::vector<OwnedContext> contexts;  // one per certificate; the first is where connections begin

  SSL_CTX* find(const char* name) const {
    for (const unsigned int flags : {X509_CHECK_FLAG_NO_WILDCARDS + 0U, 0U}) {
      for (const OwnedContext& context : contexts) {
        X509* const certificate = SSL_CTX_get0_certificate(context.get());
        const unsigned int all = flags | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
        if (X509_check_host(certificate, name, 0, all, nullptr) == 1) return context.get();
      }
    }
    return contexts.front().get();
  }
};

int choose_certificate(SSL* ssl, int*, void* bundle) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_SSL_CTX(ssl, static_cast<const ServerBundle*>(bundle)->find(name));
  return SSL_TLSEXT_ERR_OK;
}

// A client that offers protocols and not this one would speak what we do not understand. OpenSSL
// wants six parameters; the last two are the size of `offered` and a context that we do not need.
template <class... Rest>
int choose_http_1_1(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, Rest... rest) {
  const unsigned int offered_size = std::get<0>(std::tuple(rest...));
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, http_1_1, http_1_1_size, offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

OwnedContext server_context(const TlsServerSettings& settings) {
  OwnedContext context = make_tls_context(TLS_server_method());
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_options(raw, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  if (settings.min_version == TlsServerSettings::Version::v1_3) {
    SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
  }
  // Sessions live in tickets only. Their keys are the first context's, which all workers share, so
  // that a client may come back to any worker.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  constexpr unsigned char id[] = "mcplb";
  SSL_CTX_set_session_id_context(raw, id, sizeof id - 1);
  SSL_CTX_set_alpn_select_cb(raw, choose_http_1_1<unsigned int, void*>, nullptr);
  return context;
}

}  // namespace

struct TlsServerContext::State {
  TlsServerSettings settings;
  mutable std::mutex mutex;  // guards the pointer
  std::shared_ptr<const ServerBundle> bundle;
};

TlsServerContext::TlsServerContext(TlsServerSettings settings) : state_(std::make_unique<State>()) {
  state_->settings = std::move(settings);
}
TlsServerContext::~TlsServerContext() = default;

std::unique_ptr<TlsServerContext> TlsServerContext::create(TlsServerSettings settings,
                                                           TlsProblem& problem) {
  std::unique_ptr<TlsServerContext> context(new TlsServerContext(std::move(settings)));
  if (context->reload_if_changed(problem) == Reload::loaded) return context;
  return nullptr;
}

void TlsServerContext::set_settings(TlsServerSettings settings) {
  state_->settings = std::move(settings);
  forget_files();
}

std::vector<std::string> TlsServerContext::files() const {
  std::vector<std::string> files;
  for (const TlsCertificateSettings& pair : pairs_of(state_->settings)) {
    files.push_back(pair.certificate);
    files.push_back(pair.key);
  }
  return files;
}

bool TlsServerContext::load(TlsProblem& problem) {
  const TlsServerSettings& settings = state_->settings;
  auto bundle = std::make_shared<ServerBundle>();
  for (const TlsCertificateSettings& pair : pairs_of(settings)) {
    OwnedContext context = server_context(settings);
    const std::string prefix = prefix_of(settings, bundle->contexts.size());
    if (!use_certificate(context.get(), pair, prefix, problem)) return false;
    bundle->contexts.push_back(std::move(context));
  }
  SSL_CTX* const first = bundle->contexts.front().get();
  SSL_CTX_set_tlsext_servername_callback(first, choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(first, bundle.get());
  const std::lock_guard lock(state_->mutex);
  state_->bundle = std::move(bundle);
  return true;
}

TlsSession TlsServerContext::new_session() const {
  TlsSession session;
  std::shared_ptr<const ServerBundle> bundle;
  {
    const std::lock_guard lock(state_->mutex);
    bundle = state_->bundle;
  }
  session.ssl.reset(SSL_new(bundle->contexts.front().get()));
  MCPLB_ASSERT(session.ssl != nullptr);
  SSL_set_accept_state(session.ssl.get());
  session.context = std::move(bundle);
  return session;
}

}  // namespace mcplb::net
