// What server and client contexts share: OpenSSL's context, and PEM files with errors for people.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "mcplb/net/tls.hpp"

namespace mcplb::net {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using OwnedContext = std::unique_ptr<SSL_CTX, FreeContext>;

// A context with what holds for both sides: 1.2 at least, modern ciphers, small when idle.
OwnedContext make_tls_context(const SSL_METHOD* method);
// Loads a chain and its key. `prefix` is what the names of the pair's settings begin with.
bool use_certificate(SSL_CTX* context, const TlsCertificateSettings& pair,
                     const std::string& prefix, TlsProblem& problem);
// Trusts the authorities in the file, or the system's when `ca` is empty.
bool trust(SSL_CTX* context, const std::string& ca, TlsProblem& problem);

}  // namespace mcplb::net
