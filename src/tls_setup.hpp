// The TLS contexts of a configuration: made at start, checked by `mcplb check`, and loaded again
// when a certificate is renewed on disk.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mcplb/config/config.hpp"
#include "mcplb/net/tls.hpp"

namespace mcplb {

// A problem for each listener and backend, and for the store, whose files cannot be used. Loads and
// forgets them.
std::vector<config::Complaint> inspect_tls_files(const config::Settings& settings);

// All contexts of the process. Owned by the server; makes and reloads on the control loop only.
class TlsSetup {
 public:
  // Null, with `message`, when the files cannot be used.
  std::unique_ptr<net::TlsServerContext> for_listener(const net::ListenerSettings& listener,
                                                      std::string& message);
  // Backends with the same settings share one, which stays ours.
  const net::TlsClientContext* for_backend(const net::TlsClientSettings& settings,
                                           std::string& message);
  const net::TlsClientContext* for_store(const net::TlsClientSettings& settings,
                                         std::string& message);
  // Where spans are sent. Its files are named by variables of the environment.
  const net::TlsClientContext* for_collector(const net::TlsClientSettings& settings,
                                             std::string& message);
  // Looks at the files; one log line for each context that was loaded anew or cannot be.
  void reload_changed() const;

 private:
  const net::TlsClientContext* add_client(const net::TlsClientSettings& settings,
                                          const std::string& owner, const std::string& path,
                                          std::string& message);

  struct Watched {
    std::string owner;  // for the log
    net::TlsContext* context;
  };
  struct Client {
    net::TlsClientSettings settings;
    std::unique_ptr<net::TlsClientContext> context;
  };
  std::vector<Watched> watched_;  // owned by listeners and backends, for as long as the server
  std::vector<Client> clients_;
};

}  // namespace mcplb
