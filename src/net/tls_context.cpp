#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/net/tls.hpp"

#include "net/tls_stream.hpp"

namespace mcplb::net {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using OwnedContext = std::unique_ptr<SSL_CTX, FreeContext>;

struct FreeResumable {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Resumable = std::unique_ptr<SSL_SESSION, FreeResumable>;

constexpr const char* ciphers_of_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr unsigned char http_1_1[] = "\x08http/1.1";
constexpr unsigned int http_1_1_size = sizeof http_1_1 - 1;

// Empty when the file can be read; OpenSSL's own words for that are hard to understand.
std::string why_unreadable(const std::string& file) {
  errno = 0;
  const std::ifstream stream(file);
  struct stat what {};
  const bool is_there = stream.is_open() && ::stat(file.c_str(), &what) == 0;
  if (!is_there) return std::string("cannot be read: ") + std::strerror(errno);
  return S_ISDIR(what.st_mode) ? "is a directory" : "";
}

std::string pem_reason(const char* wanted) {
  const bool empty = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = take_tls_reason();
  return empty ? std::string("holds no ") + wanted + " (PEM)"
               : std::string("is no usable ") + wanted + ": " + reason;
}

// Nobody is there to type a passphrase, and OpenSSL would ask the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

OwnedContext make_context(const SSL_METHOD* method) {
  OwnedContext context(SSL_CTX_new(method));
  MCPLB_ASSERT(context != nullptr);
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // An idle connection holds no record buffers.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(raw, ciphers_of_1_2);
  SSL_CTX_set_default_passwd_cb(raw, no_passphrase);
  return context;
}

// `prefix` is what the keys of the pair begin with, for the problem.
bool use_certificate(SSL_CTX* context, const TlsCertificateSettings& pair,
                     const std::string& prefix, TlsProblem& problem) {
  ERR_clear_error();
  problem = {prefix + "certificate", pair.certificate, why_unreadable(pair.certificate)};
  if (!problem.reason.empty()) return false;
  if (SSL_CTX_use_certificate_chain_file(context, pair.certificate.c_str()) != 1) {
    problem.reason = pem_reason("certificate");
    return false;
  }
  problem = {prefix + "key", pair.key, why_unreadable(pair.key)};
  if (!problem.reason.empty()) return false;
  const bool taken =
      SSL_CTX_use_PrivateKey_file(context, pair.key.c_str(), SSL_FILETYPE_PEM) == 1;
  if (taken && SSL_CTX_check_private_key(context) == 1) return true;
  const unsigned long code = ERR_peek_error();
  // A key of another kind (RSA, EC) than the certificate's finds no certificate at all.
  const bool mismatch = ERR_GET_LIB(code) == ERR_LIB_X509 ||
                        ERR_GET_REASON(code) == SSL_R_NO_CERTIFICATE_ASSIGNED;
  problem.reason = mismatch ? "does not belong to the certificate " + pair.certificate
                            : pem_reason("private key without a passphrase");
  ERR_clear_error();
  return false;
}

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
    for (const unsigned int flags : {X509_CHECK_FLAG_NO_WILDCARDS, 0}) {
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

// A client that offers protocols and not this one would speak what we do not understand.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size, http_1_1, http_1_1_size, offered,
                                          offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

OwnedContext server_context(const TlsServerSettings& settings) {
  OwnedContext context = make_context(TLS_server_method());
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
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  return context;
}

// What is loaded for a client.
struct ClientBundle {
  OwnedContext context;
  std::mutex mutex;  // guards what follows
  // The last session of each server. Never shrinks: connections refer to its entries.
  std::map<std::string, Resumable, std::less<>> sessions;

  std::pair<const std::string, Resumable>* slot_of(std::string_view server) {
    auto found = sessions.find(server);
    if (found != sessions.end()) return &*found;
    if (sessions.size() >= limits::tls_sessions_kept) return nullptr;
    return &*sessions.emplace(std::string(server), nullptr).first;
  }
};

// OpenSSL gives a reference to `session` when this returns 1.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* const slot = static_cast<std::pair<const std::string, Resumable>*>(SSL_get_app_data(ssl));
  auto* const bundle = static_cast<ClientBundle*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (slot == nullptr) return 0;
  const std::lock_guard lock(bundle->mutex);
  slot->second.reset(session);
  return 1;
}

bool trust(SSL_CTX* context, const std::string& ca, TlsProblem& problem) {
  ERR_clear_error();
  if (ca.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return true;
  }
  problem = {"ca", ca, why_unreadable(ca)};
  if (!problem.reason.empty()) return false;
  if (SSL_CTX_load_verify_file(context, ca.c_str()) == 1) return true;
  problem.reason = pem_reason("certificate");
  return false;
}

bool is_ip(const std::string& host) {
  in6_addr out{};
  return inet_pton(AF_INET, host.c_str(), &out) == 1 || inet_pton(AF_INET6, host.c_str(), &out) == 1;
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

void FreeSsl::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsContext::FileState TlsContext::state_of(const std::string& file) {
  struct stat what {};
  if (::stat(file.c_str(), &what) != 0) return {};
  return {what.st_dev, what.st_ino, what.st_size, what.st_mtim.tv_sec, what.st_mtim.tv_nsec};
}

TlsContext::Reload TlsContext::reload_if_changed(TlsProblem& problem) {
  std::vector<FileState> now;
  for (const std::string& file : files()) now.push_back(state_of(file));
  if (now == seen_) return Reload::unchanged;
  // Looked at before the load: what changes meanwhile is seen the next time.
  seen_ = std::move(now);
  return load(problem) ? Reload::loaded : Reload::failed;
}

struct TlsServerContext::State {
  TlsServerSettings settings;
  mutable std::mutex mutex;  // guards the pointer
  std::shared_ptr<const ServerBundle> bundle;
};

TlsServerContext::TlsServerContext(TlsServerSettings settings)
    : state_(std::make_unique<State>()) {
  state_->settings = std::move(settings);
}
TlsServerContext::~TlsServerContext() = default;

std::unique_ptr<TlsServerContext> TlsServerContext::create(TlsServerSettings settings,
                                                           TlsProblem& problem) {
  std::unique_ptr<TlsServerContext> context(new TlsServerContext(std::move(settings)));
  if (context->reload_if_changed(problem) == Reload::loaded) return context;
  return nullptr;
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

struct TlsClientContext::State {
  TlsClientSettings settings;
  mutable std::mutex mutex;  // guards the pointer
  std::shared_ptr<ClientBundle> bundle;
};

TlsClientContext::TlsClientContext(TlsClientSettings settings)
    : state_(std::make_unique<State>()) {
  state_->settings = std::move(settings);
}
TlsClientContext::~TlsClientContext() = default;

std::unique_ptr<TlsClientContext> TlsClientContext::create(TlsClientSettings settings,
                                                           TlsProblem& problem) {
  std::unique_ptr<TlsClientContext> context(new TlsClientContext(std::move(settings)));
  // Without any file nothing ever differs: the first load is not a reload.
  const Reload by_files = context->reload_if_changed(problem);
  const bool loaded = by_files == Reload::loaded ||
                      (by_files == Reload::unchanged && context->load(problem));
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
  auto bundle = std::make_shared<ClientBundle>();
  bundle->context = make_context(TLS_client_method());
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
  std::shared_ptr<ClientBundle> bundle;
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
