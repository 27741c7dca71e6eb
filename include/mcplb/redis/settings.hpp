// Where the shared store is and how it is used. Plain values; `config` maps the file onto them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/net/settings.hpp"

namespace mcplb::redis {

// One server or sentinel: a host and port, or the path of a unix socket.
struct Endpoint {
  std::string host;  // name or address, an IPv6 address without brackets
  std::uint16_t port = 6379;
  std::string path;  // of a unix socket; then there is no host
  bool tls = false;

  // host:port, [v6]:port or unix:/path, for logs.
  std::string text() const;
  bool operator==(const Endpoint&) const = default;
};

// A parsed URL:
//   redis://[user:password@]host[:port][/db]         rediss:// for TLS
//   redis+unix://[user:password@]/path[?db=N]        or unix:///path[?db=N]
//   redis+sentinel://[user:password@]host:port,host:port/master-name[/db]
// User and password may be percent-encoded.
struct Url {
  std::vector<Endpoint> endpoints;  // one server, or the sentinels; none: no store
  std::string master;               // the name that the sentinels know; empty: no sentinels
  std::string user;
  std::string password;
  std::uint32_t db = 0;

  bool uses_tls() const { return !endpoints.empty() && endpoints.front().tls; }
  // The URL again, with *** instead of the password; "" when there are no endpoints.
  std::string masked() const;
  bool operator==(const Url&) const = default;
};

struct ParsedUrl {
  Url url;
  // What is wrong, as the end of a sentence, or "". Repeats nothing of the text, which may hold a
  // password at any place.
  std::string wrong;
};
ParsedUrl parse_url(std::string_view text);

struct Settings {
  Url url;
  // What all keys begin with. Change it when balancers that share no sessions share a server.
  std::string prefix = "mcplb";
  // Of one command. Longer when the server is far away; a request may wait this long for it.
  milliseconds timeout{250};
  // For rediss://. Redis knows no ALPN, so none is offered.
  net::TlsClientSettings tls{.ca = "", .verify = true, .certificate = "", .key = "", .alpn = ""};
};

}  // namespace mcplb::redis
