#include "config/checks.hpp"

#include <algorithm>
#include <optional>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/config/config.hpp"
#include "mcplb/redis/settings.hpp"
#include "mcplb/tracing/settings.hpp"

namespace mcplb::config {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view http_prefix = "http://";
constexpr std::string_view https_prefix = "https://";
constexpr std::size_t name_bytes_max = 255;

std::string quoted(std::string_view text) {
  return '"' + escaped(text) + '"';
}

bool is_alphanumeric(char c) {
  return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

bool is_ip(int family, std::string_view text) {
  in6_addr out{};
  return inet_pton(family, std::string(text).c_str(), &out) == 1;
}

// A host name or IPv4 address. Underscores are no part of DNS, but of container names.
bool is_host_name(std::string_view host) {
  const bool known = std::all_of(host.begin(), host.end(), [](char c) {
    return is_alphanumeric(c) || c == '.' || c == '-' || c == '_';
  });
  if (host.empty() || host.size() > name_bytes_max || !known) return false;
  const bool numeric =
      std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
  return !numeric || is_ip(AF_INET, host);
}

struct Split {
  std::string_view host;
  std::optional<std::string_view> port;
};

// "[v6]:port", "host:port" or either without a port; nothing when the brackets are broken.
std::optional<Split> split_host_port(std::string_view text) {
  std::size_t host_end = text.find(':');
  std::string_view host = text.substr(0, host_end);
  if (!text.empty() && text.front() == '[') {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    host = text.substr(1, bracket - 1);
    host_end = bracket + 1;
    if (!is_ip(AF_INET6, host)) return std::nullopt;
  } else if (!is_host_name(host)) {
    return std::nullopt;
  }
  if (host_end >= text.size()) return Split{host, std::nullopt};
  if (text[host_end] != ':') return std::nullopt;
  return Split{host, text.substr(host_end + 1)};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number || *number > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

std::string check_unix_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return "wants an absolute path: unix:/run/mcplb.sock";
  if (path.size() >= sizeof(sockaddr_un{}.sun_path)) {
    return "is too long: a unix socket's path has at most " +
           std::to_string(sizeof(sockaddr_un{}.sun_path) - 1) + " bytes";
  }
  return "";
}

// What stands between "http://" and the end, without the one "/" that may close it.
std::string check_authority(std::string_view authority) {
  // A URL with a password is not repeated in the message.
  if (authority.find('@') != std::string_view::npos) {
    return "must not contain a user or password";
  }
  const std::size_t tail = authority.find_first_of("/?#");
  if (tail != std::string_view::npos) {
    return quoted(authority.substr(tail)) +
           " does not belong here: a backend is http://host:port, and requests keep their own path";
  }
  const auto split = split_host_port(authority);
  if (!split) return quoted(authority) + " is no host:port (IPv6 in brackets: http://[::1]:3000)";
  const auto port = parse_port(split->port.value_or("80"));
  if (!port || *port == 0) return quoted(*split->port) + " is no port from 1 to 65535";
  return "";
}

}  // namespace

std::string check_listen_address(std::string& text) {
  const std::string_view view = text;
  if (view.substr(0, unix_prefix.size()) == unix_prefix) {
    return check_unix_path(view.substr(unix_prefix.size()));
  }
  if (!view.empty() && (view.front() == ':' || view.front() == '*')) {
    return quoted(view) + " names no address: write 0.0.0.0:PORT or [::]:PORT for all of them";
  }
  const auto split = split_host_port(view);
  if (!split) return quoted(view) + " is no address: host:port, [v6]:port or unix:/path";
  if (!split->port) return quoted(view) + " names no port: host:port, [v6]:port or unix:/path";
  if (!parse_port(*split->port)) return quoted(*split->port) + " is no port from 0 to 65535";
  return "";
}

std::string check_backend_url(std::string& text) {
  if (text.empty()) return "";
  const std::string_view view = text;
  const bool https = starts_with_ignoring_case(view, https_prefix);
  if (!https && !starts_with_ignoring_case(view, http_prefix)) {
    return "wants a URL: http://host:port or https://host:port";
  }
  const std::string_view prefix = https ? https_prefix : http_prefix;
  std::string_view authority = view.substr(prefix.size());
  if (!authority.empty() && authority.back() == '/') authority.remove_suffix(1);
  std::string wrong = check_authority(authority);
  if (!wrong.empty()) return wrong;
  text = backend_url_text(parse_backend_url(std::string(prefix) + std::string(authority)));
  return "";
}

std::string check_dns_url(std::string& text) {
  std::string wrong = check_backend_url(text);
  if (text.empty() || !wrong.empty()) return wrong;
  const BackendUrl url = parse_backend_url(text);
  if (is_ip(AF_INET, url.host) || is_ip(AF_INET6, url.host)) {
    return quoted(url.host) + " is an address already: write it as url";
  }
  return "";
}

std::string check_dns_server(std::string& text) {
  const std::string wrong = quoted(text) + " is no DNS server: 10.0.0.2, 10.0.0.2:53 or [::1]:53";
  const bool bare_v6 = is_ip(AF_INET6, text);
  const std::string bracketed = '[' + text + ']';
  const auto split = split_host_port(bare_v6 ? bracketed : text);
  if (!split || (!is_ip(AF_INET, split->host) && !is_ip(AF_INET6, split->host))) return wrong;
  const auto port = parse_port(split->port.value_or("53"));
  if (!port || *port == 0) return quoted(*split->port) + " is no port from 1 to 65535";
  text = host_port_text({std::string(split->host), *port, false});
  return "";
}

std::string check_network(std::string& text) {
  const std::string_view view = text;
  const std::size_t slash = view.find('/');
  const std::string_view ip = view.substr(0, slash);
  const bool v4 = is_ip(AF_INET, ip);
  if (!v4 && !is_ip(AF_INET6, ip)) {
    return quoted(view) + " is no network: 10.0.0.0/8, fd00::/8 or one address";
  }
  if (slash == std::string_view::npos) return "";
  const std::uint64_t bits_max = v4 ? 32 : 128;
  const auto bits = parse_decimal(view.substr(slash + 1));
  if (bits && *bits <= bits_max) return "";
  return quoted(view) + " is no network: the number after / goes from 0 to " +
         std::to_string(bits_max);
}

std::string check_name(std::string& text) {
  // Names appear in URLs, metrics, cookies and POOL/BACKEND on the command line.
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("._-:[]@").find(c) != std::string_view::npos;
  });
  if (plain && text.size() <= name_bytes_max) return "";
  return quoted(text) + " is no name: letters, digits and . _ - : @ [ ], at most " +
         std::to_string(name_bytes_max);
}

std::string check_field_name(std::string& text) {
  if (text.empty() || is_token(text)) return "";
  return quoted(text) + " cannot be the name of a header or cookie";
}

std::string check_hash_on(std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string source = text.substr(0, colon);
  const bool named = source == "header" || source == "cookie";
  if (!named && (text == "session" || text == "client_ip")) return "";
  if (named && colon != std::string::npos && is_token(std::string_view(text).substr(colon + 1))) {
    return "";
  }
  return quoted(text) + " is none of session, client_ip, header:NAME, cookie:NAME";
}

std::string check_route_host(std::string& text) {
  text = to_lower(text);
  std::string_view host = text;
  if (host == "*") return "";
  if (host.substr(0, 2) == "*.") host.remove_prefix(2);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed && is_ip(AF_INET6, host.substr(1, host.size() - 2))) return "";
  if (is_host_name(host)) return "";
  return quoted(text) + " is no host: example.org, *.example.org or * (without a port)";
}

std::string check_route_path(std::string& text) {
  const bool plain = std::all_of(
      text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '?' && c != '#'; });
  if (plain && !text.empty() && text.front() == '/') return "";
  return quoted(text) + " is no path: it begins with / and has no ?, # or blanks";
}

std::string check_target(std::string& text) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  if (text.empty() || (plain && text.front() == '/')) return "";
  return quoted(text) + " is no path: it begins with / and has no # or blanks";
}

std::string check_host_header(std::string& text) {
  if (text.empty()) return "";
  const auto split = split_host_port(text);
  if (split && (!split->port || parse_port(*split->port))) return "";
  return quoted(text) + " is no host: example.org, example.org:8080 or [::1]:8080";
}

std::string check_access_log(std::string& text) {
  const bool path = text.find('/') != std::string::npos || text.find('.') != std::string::npos;
  if (text == "off" || text == "stdout" || path) return "";
  return quoted(text) + " is none of off, stdout or a path such as /var/log/mcplb/access.log";
}

std::string check_store_url(std::string& text) {
  if (text.empty()) return "";
  const redis::ParsedUrl parsed = redis::parse_url(text);
  return parsed.wrong.empty() ? "" : "the URL " + parsed.wrong;
}

std::string check_store_prefix(std::string& text) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (plain && !text.empty() && text.size() <= name_bytes_max) return "";
  return quoted(text) + " is no prefix of keys: visible ASCII characters, at most " +
         std::to_string(name_bytes_max);
}

std::string check_secret(std::string& text) {
  if (text.size() >= limits::secret_bytes_min) return "";
  return "is too short to be a secret: at least " + std::to_string(limits::secret_bytes_min) +
         " characters, as `openssl rand -hex 32` makes them";
}

std::string check_otlp_endpoint(std::string& text) {
  return text.empty() ? "" : tracing::parse_base_endpoint(text).wrong;
}

bool is_loopback(std::string_view listen_address) {
  if (listen_address.substr(0, unix_prefix.size()) == unix_prefix) return true;
  const auto split = split_host_port(listen_address);
  if (!split) return false;
  if (equals_ignoring_case(split->host, "localhost")) return true;
  in6_addr v6{};
  if (inet_pton(AF_INET6, std::string(split->host).c_str(), &v6) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
  }
  return is_ip(AF_INET, split->host) && split->host.substr(0, 4) == "127.";
}

bool has_port_zero(std::string_view listen_address) {
  const std::size_t colon = listen_address.rfind(':');
  return listen_address.substr(0, unix_prefix.size()) != unix_prefix &&
         parse_port(listen_address.substr(colon + 1)) == 0;
}

BackendUrl parse_backend_url(std::string_view url) {
  const bool https = url.substr(0, https_prefix.size()) == https_prefix;
  const std::size_t prefix = https ? https_prefix.size() : http_prefix.size();
  const auto split = split_host_port(url.substr(std::min(prefix, url.size())));
  if (!split) return {};
  const std::string_view port = split->port.value_or(https ? "443" : "80");
  return {std::string(split->host), parse_port(port).value_or(0), https};
}

std::string backend_url_text(const BackendUrl& url) {
  return std::string(url.https ? https_prefix : http_prefix) + host_port_text(url);
}

std::string host_port_text(const BackendUrl& url) {
  const bool v6 = url.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + url.host + "]" : url.host;
  return host + ":" + std::to_string(url.port);
}

cluster::HashOn parse_hash_on(std::string_view text) {
  using Source = cluster::HashOn::Source;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return {text == "client_ip" ? Source::client_ip : Source::session, ""};
  }
  const Source source = text.substr(0, colon) == "header" ? Source::header : Source::cookie;
  return {source, std::string(text.substr(colon + 1))};
}

std::string hash_on_text(const cluster::HashOn& hash_on) {
  using Source = cluster::HashOn::Source;
  switch (hash_on.source) {
    case Source::session:
      return "session";
    case Source::client_ip:
      return "client_ip";
    case Source::header:
      return "header:" + hash_on.name;
    case Source::cookie:
      return "cookie:" + hash_on.name;
  }
  return "session";
}

std::string read_backend(const std::string& id, std::string& url,
                         cluster::BackendSettings& backend) {
  std::string name = id;
  std::string wrong = check_name(name);
  if (!wrong.empty()) return "id " + wrong;
  wrong = check_backend_url(url);
  if (!wrong.empty()) return "url " + wrong;
  const BackendUrl place = parse_backend_url(url);
  backend.id = std::move(name);
  backend.host = place.host;
  backend.port = place.port;
  backend.https = place.https;
  return "";
}

}  // namespace mcplb::config
