#include <algorithm>

#include "mcplb/base/text.hpp"
#include "mcplb/net/address.hpp"
#include "mcplb/tracing/settings.hpp"

namespace mcplb::tracing {
namespace {

constexpr std::string_view http_prefix = "http://";
constexpr std::string_view https_prefix = "https://";
constexpr std::string_view traces_path = "/v1/traces";
constexpr std::size_t url_bytes_max = 2048;

bool is_host_char(char c) {
  const char lower = ascii_lower(c);
  return is_digit(c) || (lower >= 'a' && lower <= 'z') || c == '.' || c == '-' || c == '_';
}

bool is_host(std::string_view host, bool bracketed) {
  if (bracketed) {
    const bool v6 = host.find(':') != std::string_view::npos;
    return v6 && net::Address::from_ip(host, 1);
  }
  return !host.empty() && host.size() < 256 && std::all_of(host.begin(), host.end(), is_host_char);
}

// Fills host and port; what is wrong with them.
std::string read_authority(std::string_view authority, Endpoint& endpoint) {
  const bool bracketed = authority.starts_with('[');
  const std::size_t bracket = bracketed ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return "has a [ without its ]";
  const std::size_t colon = authority.find(':', bracket);
  std::string_view host = authority.substr(0, colon);
  if (bracketed) host = authority.substr(1, bracket - 1);
  const bool strange = bracketed && colon != bracket + 1 && authority.size() > bracket + 1;
  if (strange || !is_host(host, bracketed)) {
    return '"' + escaped(authority) + "\" is no host:port";
  }
  endpoint.host = host;
  endpoint.port = endpoint.https ? 443 : 80;
  if (colon == std::string_view::npos) return "";
  const auto port = parse_decimal(authority.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) {
    return '"' + escaped(authority.substr(colon + 1)) + "\" is no port from 1 to 65535";
  }
  endpoint.port = static_cast<std::uint16_t>(*port);
  return "";
}

std::string read_url(std::string_view url, Endpoint& endpoint) {
  endpoint.https = starts_with_ignoring_case(url, https_prefix);
  if (!endpoint.https && !starts_with_ignoring_case(url, http_prefix)) {
    return "wants a URL: http://host:4318 or https://host:4318";
  }
  const bool plain =
      std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!plain || url.size() > url_bytes_max) return "is no URL: it has blanks, or is too long";
  std::string_view rest = url.substr((endpoint.https ? https_prefix : http_prefix).size());
  const std::size_t path = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, path);
  if (authority.find('@') != std::string_view::npos) {
    return "must not contain a user or password: OTEL_EXPORTER_OTLP_HEADERS may carry credentials";
  }
  std::string wrong = read_authority(authority, endpoint);
  if (!wrong.empty()) return wrong;
  rest.remove_prefix(path);
  if (rest.find('#') != std::string_view::npos) return "must not contain a #fragment";
  endpoint.target = rest.starts_with('/') ? std::string(rest) : '/' + std::string(rest);
  return "";
}

}  // namespace

std::string Endpoint::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string Endpoint::text() const {
  return std::string(https ? https_prefix : http_prefix) + authority() +
         target.substr(0, target.find('?'));
}

ParsedEndpoint parse_endpoint(std::string_view url) {
  ParsedEndpoint parsed;
  parsed.wrong = read_url(url, parsed.endpoint);
  return parsed;
}

ParsedEndpoint parse_base_endpoint(std::string_view url) {
  ParsedEndpoint parsed = parse_endpoint(url);
  if (!parsed.wrong.empty()) return parsed;
  std::string& target = parsed.endpoint.target;
  if (target.find('?') != std::string::npos) {
    parsed.wrong = "must not contain a ?query: it names a collector, and /v1/traces is added";
    return parsed;
  }
  while (target.ends_with('/')) target.pop_back();
  if (!target.ends_with(traces_path)) target += traces_path;
  return parsed;
}

}  // namespace mcplb::tracing
