// Where we listen, the files that TLS needs on either side, and who knows the addresses of names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mcplb::net {

// Two PEM files that belong together.
struct TlsCertificateSettings {
  std::string certificate;  // the chain, the server's own certificate first
  std::string key;          // without a passphrase

  bool operator==(const TlsCertificateSettings&) const = default;
};

struct TlsServerSettings {
  enum class Version : std::uint8_t { v1_2, v1_3 };

  std::string certificate;                           // as in TlsCertificateSettings; for one pair
  std::string key;
  Version min_version = Version::v1_2;               // 1.3 when every client is known to be recent
  std::vector<TlsCertificateSettings> certificates;  // chosen by server name; the first is default

  bool operator==(const TlsServerSettings&) const = default;
  bool enabled() const { return !certificate.empty() || !certificates.empty(); }
};

struct TlsClientSettings {
  std::string ca;           // PEM; "": the system's
  bool verify = true;       // false: any certificate will do, so anybody can pose as the server
  std::string certificate;  // our own, for servers that ask for one
  std::string key;
  std::string alpn = "http/1.1";  // the protocol to agree on; "": not offered

  bool operator==(const TlsClientSettings&) const = default;
};

struct ResolverSettings {
  // ip:port or [v6]:port, asked in this order. Empty: the system's. For names that the system's
  // servers do not know, such as those of Consul.
  std::vector<std::string> servers;
};

struct ListenerSettings {
  std::string address = "127.0.0.1:8080";  // host:port, [v6]:port or unix:/path; port 0: any free
  std::string name = "main";
  TlsServerSettings tls{};
};

}  // namespace mcplb::net
