#include "net/tls_context.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "net/tls_stream.hpp"

namespace mcplb::net {
namespace {

constexpr const char* ciphers_of_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";

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
  const bool empty = ERR_GET_REASON(ERR_peek_error()) == PEM_R_NO_START_LINE;
  const std::string reason = take_tls_reason();
  return empty ? std::string("holds no ") + wanted + " (PEM)"
               : std::string("is no usable ") + wanted + ": " + reason;
}

// Nobody is there to type a passphrase, and OpenSSL would ask the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

OwnedContext make_tls_context(const SSL_METHOD* method) {
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
  const bool taken = SSL_CTX_use_PrivateKey_file(context, pair.key.c_str(), SSL_FILETYPE_PEM) == 1;
  if (taken && SSL_CTX_check_private_key(context) == 1) return true;
  const unsigned long code = ERR_peek_error();
  // A key of another kind (RSA, EC) than the certificate's finds no certificate at all.
  const bool mismatch =
      ERR_GET_LIB(code) == ERR_LIB_X509 || ERR_GET_REASON(code) == SSL_R_NO_CERTIFICATE_ASSIGNED;
  problem.reason = mismatch ? "does not belong to the certificate " + pair.certificate
                            : pem_reason("private key without a passphrase");
  ERR_clear_error();
  return false;
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

void FreeSsl::operator()(ssl_st* ssl) const {
  SSL_free(ssl);
}

TlsContext::FileState TlsContext::state_of(const std::string& file) {
  struct stat what {};
  if (::stat(file.c_str(), &what) != 0) return {};
  return {what.st_dev, what.st_ino, what.st_size, what.st_mtim.tv_sec, what.st_mtim.tv_nsec};
}

TlsContext::Reload TlsContext::reload_if_changed(TlsProblem& problem) {
  std::vector<FileState> now;
  for (const std::string& file : files())
    now.push_back(state_of(file));
  if (now == seen_) return Reload::unchanged;
  // Looked at before the load: what changes meanwhile is seen the next time.
  seen_ = std::move(now);
  return load(problem) ? Reload::loaded : Reload::failed;
}

}  // namespace mcplb::net
