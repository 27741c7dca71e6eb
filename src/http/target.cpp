#include "http/target.hpp"

#include <algorithm>

#include "http/chars.hpp"

namespace mcplb::http {
namespace {

Error refuse(const char* rule) {
  return {Error::Kind::malformed, Error::Side::client, 0, rule};
}

// unreserved / sub-delims, without the comma: it would make a list of Host.
constexpr CharSet host_chars = alphanumeric_and("-._~!$&'()*+;=");

// A registered name or an IPv4 address, which has the same characters.
bool is_valid_name(std::string_view host) {
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (host_chars.has(host[i])) continue;
    const bool escape = host[i] == '%' && i + 2 < host.size() && is_hex_digit(host[i + 1]) &&
                        is_hex_digit(host[i + 2]);
    if (!escape) return false;
    i += 2;
  }
  return !host.empty();
}

bool is_ipv4(std::string_view text) {
  for (int left = 4; left > 0; --left) {
    const std::string_view number = text.substr(0, text.find('.'));
    const auto value = parse_decimal(number);
    if (!value || *value > 255 || (number.size() > 1 && number.front() == '0')) return false;
    text.remove_prefix(number.size());
    if (left == 1) break;
    if (text.empty()) return false;
    text.remove_prefix(1);
  }
  return text.empty();
}

bool is_ipv6_group(std::string_view text) {
  return !text.empty() && text.size() <= 4 && std::all_of(text.begin(), text.end(), is_hex_digit);
}

// Eight groups, of which one run may be written "::", and the last two as an IPv4 address.
bool is_ipv6(std::string_view text) {
  bool gap = text.substr(0, 2) == "::";
  if (gap) text.remove_prefix(2);
  int groups = 0;
  while (!text.empty()) {
    const std::string_view group = text.substr(0, text.find(':'));
    const bool last = group.size() == text.size();
    const bool ipv4 = last && is_ipv4(group);
    if (!ipv4 && !is_ipv6_group(group)) return false;
    groups += ipv4 ? 2 : 1;
    if (last) break;
    text.remove_prefix(group.size() + 1);
    if (text.empty()) return false;
    if (text.front() != ':') continue;
    if (gap) return false;
    gap = true;
    text.remove_prefix(1);
  }
  return gap ? groups < 8 : groups == 8;
}

// Empty is allowed (RFC 3986 §3.2.3).
bool is_valid_port(std::string_view digits) {
  if (digits.empty()) return true;
  const auto port = parse_decimal(digits);
  return digits.size() <= 5 && port && *port <= 65535;
}

bool is_target_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte < 0x7f && c != '#';
}

void split_query(RequestHead& head) {
  const std::size_t mark = head.target.find('?');
  head.path = head.target.substr(0, mark);
  head.query = mark == std::string_view::npos ? std::string_view() : head.target.substr(mark + 1);
}

// Turns "http://host:80/path" into its authority and "/path".
Result<void> split_absolute(RequestHead& head) {
  const std::string_view text = head.target;
  const std::size_t scheme_end = text.find("://");
  const std::string_view scheme = text.substr(0, scheme_end);
  if (scheme_end == std::string_view::npos ||
      (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https"))) {
    return refuse("request target is neither a path nor an http URI");
  }
  const std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  head.authority = rest.substr(0, authority_end);
  if (!is_valid_authority(head.authority)) return refuse("invalid authority in request target");
  head.target = rest.substr(authority_end);
  if (head.target.empty()) {
    head.target = head.method == Method::options ? "*" : "/";
  } else if (head.target.front() == '?') {
    // The '/' that belongs before it is in no byte that a view could point at.
    return refuse("request target with a query but no path");
  }
  return {};
}

// Sets authority from Host, unless an absolute target did (RFC 9112 §3.2.2).
Result<void> apply_host(RequestHead& head) {
  const std::size_t hosts = head.fields.count(Name::host);
  if (hosts > 1) return refuse("more than one Host");
  if (hosts == 0 && head.minor_version >= 1) return refuse("missing Host");
  if (hosts == 0) return {};
  const std::string_view host = head.fields.get(Name::host);
  const bool overridden = !head.authority.empty();
  if (host.empty()) {
    if (!overridden) return refuse("empty Host");
    return {};
  }
  if (!is_valid_authority(host)) return refuse("invalid Host");
  if (!overridden) head.authority = host;
  return {};
}

}  // namespace

bool is_valid_authority(std::string_view text) {
  if (text.empty()) return false;
  if (text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return false;
    const std::string_view port = text.substr(close + 1);
    return port.empty() || (port.front() == ':' && is_valid_port(port.substr(1)));
  }
  const std::size_t colon = text.find(':');
  if (!is_valid_name(text.substr(0, colon))) return false;
  return colon == std::string_view::npos || is_valid_port(text.substr(colon + 1));
}

Result<void> resolve_target(RequestHead& head) {
  const std::string_view target = head.target;
  if (target.empty() || !std::all_of(target.begin(), target.end(), is_target_char)) {
    return refuse("invalid character in request target");
  }
  if (target == "*") {
    if (head.method != Method::options) return refuse("request target * without OPTIONS");
  } else if (target.front() != '/') {
    auto split = split_absolute(head);
    if (!split) return split.error();
  }
  split_query(head);
  return apply_host(head);
}

}  // namespace mcplb::http
