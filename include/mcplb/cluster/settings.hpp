// How one pool balances, checks and connects. Plain values; `config` maps the file onto them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/net/settings.hpp"

namespace mcplb::cluster {

enum class Balance : std::uint8_t { round_robin, least_connections, session_hash };
std::string_view to_string(Balance balance);

// Where session_hash finds its key.
struct HashOn {
  enum class Source : std::uint8_t { session, client_ip, header, cookie };
  Source source = Source::session;
  std::string name;  // of the header or cookie
};

// A request that names its backend. Empty: off. Owned sessions win over a pin.
struct Pin {
  std::string header;
  std::string cookie;
};

struct BackendSettings {
  std::string id;    // default host:port
  std::string host;  // name or address, an IPv6 address without brackets
  std::uint16_t port = 80;
  std::uint32_t weight = 1;  // 1 … limits::weight_max
  bool https = false;
  net::TlsClientSettings tls{};  // for https
  std::string tls_name;  // whom its certificate is for; "": host. Else the name behind which DNS
                         // showed this address
};

// A name whose every address is a backend, as they come and go.
struct DnsSettings {
  std::string host;  // a name; _service._proto.name asks for SRV records, which bring the ports
  std::uint16_t port = 80;
  bool https = false;
  milliseconds refresh{5000};  // between two look-ups, ±10 %; shorter where replicas move quickly
  std::uint32_t weight = 1;    // of each address; SRV records bring their own
  net::TlsClientSettings tls{};

  bool operator==(const DnsSettings&) const = default;
};

// What failed requests say of a backend.
struct PassiveSettings {
  int failures = 5;                // in a row, by all workers together; 0: never eject
  milliseconds eject_for{10'000};  // doubled for each time in a row, limits::ejection_growth_max
  // Percent of the pool's backends that may be out at a time because of this; at least one when
  // there are two or more.
  int max_ejected = 50;
};

struct HealthSettings {
  enum class Check : std::uint8_t { tcp, http, mcp };
  Check check = Check::tcp;
  std::string path;             // empty: /health for http, /mcp for mcp
  std::string host;             // of the Host header; empty: the backend's own
  milliseconds interval{5000};  // between two checks of one backend, ±10 %
  milliseconds timeout{2000};   // of one check, connecting included
  int rise = 2;                 // good checks in a row that bring a backend back
  int fall = 3;                 // bad checks in a row that take it out
  // How long a backend that came up gets less than its share. 0: it gets all of it at once.
  milliseconds slow_start{0};
  PassiveSettings passive;
};

struct KeepaliveSettings {
  // A pooled connection that idled this long is closed by us. Keep below the backends' own idle
  // timeout (Node and uvicorn: 5 s): the side that closes cannot lose a request.
  milliseconds idle{4000};
  int max_idle_per_backend = 256;  // per worker
};

struct PoolSettings {
  std::string name = "default";
  Balance balance = Balance::round_robin;
  HashOn hash_on;
  Pin pin;
  HealthSettings health;
  KeepaliveSettings keepalive;
  milliseconds connect_timeout{2000};
  milliseconds drain_timeout{30'000};  // what is left of a drained backend is cut after this
  std::vector<BackendSettings> backends;
  std::vector<DnsSettings> dns;
};

// Backends that announce themselves over the admin API.
struct RegistrationSettings {
  bool enabled = false;
  // Three times the interval of their heartbeats, or more.
  milliseconds node_timeout{15'000};      // silent for this long: no new sessions
  milliseconds cleanup_interval{30'000};  // silent for this much more: removed
};

}  // namespace mcplb::cluster
