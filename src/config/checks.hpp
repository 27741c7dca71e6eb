// What texts must look like: addresses, URLs, networks, names. A check returns what is wrong as
// the end of a sentence that begins with the key ("… names no port"), or "" when all is well.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mcplb/cluster/settings.hpp"

namespace mcplb::config {

// May replace the text by its canonical form.
using Check = std::string (*)(std::string& text);

std::string check_listen_address(std::string& text);  // host:port, [v6]:port, unix:/path
std::string check_backend_url(std::string& text);     // becomes http(s)://host:port
std::string check_dns_url(std::string& text);         // the same, of a name
std::string check_dns_server(std::string& text);      // becomes ip:port or [v6]:port
std::string check_network(std::string& text);         // CIDR or one address
std::string check_name(std::string& text);            // of pools, listeners, backends, instances
std::string check_field_name(std::string& text);      // of a header or cookie; "" is none
std::string check_hash_on(std::string& text);
std::string check_route_host(std::string& text);  // becomes lower case
// A path for requests of our own, with a query perhaps; empty: the default.
std::string check_target(std::string& text);
// A Host header for them: a name or address, with a port perhaps; empty: the backend's own.
std::string check_host_header(std::string& text);
std::string check_route_path(std::string& text);
std::string check_access_log(std::string& text);
std::string check_store_url(std::string& text);  // never repeats it: it may hold a password
std::string check_store_prefix(std::string& text);
std::string check_secret(std::string& text);
std::string check_otlp_endpoint(std::string& text);

// For texts that passed their check; nothing else.
bool is_loopback(std::string_view listen_address);
bool has_port_zero(std::string_view listen_address);
struct BackendUrl {
  std::string host;  // an IPv6 address without brackets
  std::uint16_t port = 0;
  bool https = false;
};
BackendUrl parse_backend_url(std::string_view url);
std::string backend_url_text(const BackendUrl& url);
std::string host_port_text(const BackendUrl& url);  // with brackets where needed
cluster::HashOn parse_hash_on(std::string_view text);
std::string hash_on_text(const cluster::HashOn& hash_on);

}  // namespace mcplb::config
