// The handshake as one step, and its errors in our words.
#include "mcplb/net/tls.hpp"

#include <map>
#include <mutex>
#include <utility>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/tls_stream.hpp"

namespace mcplb::net {
namespace {

TlsCounts& counts() {
  static TlsCounts of_process;
  return of_process;
}

// "certificate verify failed: certificate has expired", as a text that lives forever. There are
// about a hundred reasons, each kept once.
const char* verify_reason(long code) {
  static std::mutex mutex;
  static std::map<long, std::string> texts;
  const std::lock_guard lock(mutex);
  std::string& text = texts[code];
  if (text.empty()) {
    text = std::string("certificate verify failed: ") + X509_verify_cert_error_string(code);
  }
  return text.c_str();
}

void count(Counter& side, bool resumed) {
  side.add();
  if (resumed) counts().resumed.add();
}

}  // namespace

const TlsCounts& tls_counts() {
  return counts();
}

Task<Result<std::unique_ptr<Stream>>> tls_accept(Loop& loop, std::unique_ptr<Stream> below,
                                                 const TlsServerContext& context,
                                                 Deadline deadline) {
  loop.assert_here();
  Stream& client = *below;
  auto stream = std::make_unique<TlsStream>(TlsStream::Home{loop, loop.buffers()}, std::move(below),
                                            context.new_session());
  auto done = co_await stream->handshake(deadline);
  if (!done) {
    Error error = done.error().by(Error::Side::client);
    const bool silent = client.bytes_read() == 0;
    const bool left = error.kind == Error::Kind::closed || error.kind == Error::Kind::reset;
    if (left && silent) {
      error.kind = Error::Kind::closed;
      co_return error;
    }
    if (left) error.kind = Error::Kind::reset;
    if (left) error.what = "the client left during the handshake";
    counts().failed.add();
    co_return error;
  }
  count(counts().accepted, stream->resumed());
  co_return std::unique_ptr<Stream>(std::move(stream));
}

Task<Result<std::unique_ptr<Stream>>> tls_connect(Loop& loop, std::unique_ptr<Stream> below,
                                                  const TlsClientContext& context,
                                                  std::string server, Deadline deadline) {
  loop.assert_here();
  TlsSession session = context.new_session(server);
  ssl_st* const ssl = session.ssl.get();
  auto stream = std::make_unique<TlsStream>(TlsStream::Home{loop, loop.buffers()}, std::move(below),
                                            std::move(session));
  auto done = co_await stream->handshake(deadline);
  if (!done) {
    counts().failed.add();
    Error error = done.error().by(Error::Side::backend);
    if (error.kind != Error::Kind::timeout) error.kind = Error::Kind::unreachable;
    const bool checks = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE;
    const long verified = SSL_get_verify_result(ssl);
    if (checks && verified != X509_V_OK) error.what = verify_reason(verified);
    co_return error;
  }
  count(counts().connected, stream->resumed());
  co_return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace mcplb::net
