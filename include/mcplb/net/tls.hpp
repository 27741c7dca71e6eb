// TLS 1.2 and 1.3. Contexts hold what is loaded from files and are shared by all threads; a stream
// keeps alive what it was made from, so that a context may be reloaded or destroyed before it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "mcplb/async/task.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/settings.hpp"
#include "mcplb/net/stream.hpp"

struct ssl_st;

namespace mcplb::net {

// Why a context cannot be made, for the operator.
struct TlsProblem {
  std::string key;  // which setting: "certificate", "certificates[1].key", "ca"
  std::string file;
  std::string reason;
};

// One connection's state in OpenSSL, with the context that it came from.
struct FreeSsl {
  void operator()(ssl_st* ssl) const;
};
struct TlsSession {
  std::shared_ptr<const void> context;
  std::unique_ptr<ssl_st, FreeSsl> ssl;
};

class TlsContext {
 public:
  enum class Reload : std::uint8_t { unchanged, loaded, failed };

  virtual ~TlsContext() = default;
  TlsContext() = default;
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Loads the files again when one of them is another than at the last attempt. New connections
  // use what is new; when something is wrong with it, all stays as it was. On one thread only.
  Reload reload_if_changed(TlsProblem& problem);

 protected:
  // Replaces what new connections use.
  virtual bool load(TlsProblem& problem) = 0;
  virtual std::vector<std::string> files() const = 0;
  // The next look finds all files changed.
  void forget_files() { seen_.clear(); }

 private:
  // Enough to see that a file was replaced or written; absent files are all zeros.
  struct FileState {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    bool operator==(const FileState&) const = default;
  };
  static FileState state_of(const std::string& file);

  std::vector<FileState> seen_;
};

// The certificates of one listener. Chooses by the server name that the client asks for: an exact
// name before a wildcard, else the first certificate.
class TlsServerContext final : public TlsContext {
 public:
  // Null, with the problem, when the files do not serve.
  static std::unique_ptr<TlsServerContext> create(TlsServerSettings settings, TlsProblem& problem);
  ~TlsServerContext() override;

  // Used from the next reload_if_changed() on, which loads in any case. On the reloading thread.
  void set_settings(TlsServerSettings settings);
  // Thread-safe.
  TlsSession new_session() const;

 private:
  struct State;
  explicit TlsServerContext(TlsServerSettings settings);
  bool load(TlsProblem& problem) override;
  std::vector<std::string> files() const override;
  std::unique_ptr<State> state_;
};

// How we meet servers: whom we trust, who we are, and the sessions that can be resumed.
class TlsClientContext final : public TlsContext {
 public:
  static std::unique_ptr<TlsClientContext> create(TlsClientSettings settings, TlsProblem& problem);
  ~TlsClientContext() override;

  // `server` is the name or address that the certificate must be for. Thread-safe.
  TlsSession new_session(std::string_view server) const;

 private:
  struct State;
  explicit TlsClientContext(TlsClientSettings settings);
  bool load(TlsProblem& problem) override;
  std::vector<std::string> files() const override;
  std::unique_ptr<State> state_;
};

// Handshakes of this process.
struct TlsCounts {
  Counter accepted;   // clients of ours, resumed ones included
  Counter connected;  // servers of ours
  Counter resumed;    // of both
  Counter failed;     // of both
};
const TlsCounts& tls_counts();

// The handshake as the server, over an accepted stream. Errors, side client: closed when the peer
// left without a byte, reset, timeout, interrupted, malformed (the reason is OpenSSL's).
Task<Result<std::unique_ptr<Stream>>> tls_accept(Loop& loop, std::unique_ptr<Stream> below,
                                                 const TlsServerContext& context,
                                                 Deadline deadline);

// The handshake as the client of `server`, a name or an address. Errors, side backend: timeout;
// unreachable for everything else, a certificate that we do not accept included.
Task<Result<std::unique_ptr<Stream>>> tls_connect(Loop& loop, std::unique_ptr<Stream> below,
                                                  const TlsClientContext& context,
                                                  std::string server, Deadline deadline);

}  // namespace mcplb::net
