#include "admin/guard.hpp"

#include <algorithm>

#include "mcplb/base/text.hpp"

namespace mcplb::admin {
namespace {

bool same_origin(std::string_view origin, std::string_view authority) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_ignoring_case(origin, scheme)) continue;
    return !authority.empty() && equals_ignoring_case(origin.substr(scheme.size()), authority);
  }
  return false;  // "null" among others
}

// A name in a page's address may be made to lead anywhere, also to this machine, and then the page
// is of the same origin as we are. Addresses and localhost lead where they say.
bool is_beyond_dns(std::string_view authority) {
  if (authority.empty() || authority.front() == '[') return true;
  const std::string_view host = authority.substr(0, authority.find(':'));
  if (equals_ignoring_case(host, "localhost")) return true;
  return std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

}  // namespace

std::string_view foreign_origin(const http::RequestHead& head, bool has_token) {
  const std::string_view site = head.fields.get("sec-fetch-site");
  if (equals_ignoring_case(site, "cross-site") || equals_ignoring_case(site, "same-site")) {
    return "commands are not taken from pages of other sites (Sec-Fetch-Site)";
  }
  const std::string_view origin = head.fields.get("origin");
  if (!origin.empty() && !same_origin(origin, head.authority)) {
    return "commands are not taken from pages of other origins (Origin)";
  }
  return has_token ? "" : rebound_name(head);
}

std::string_view rebound_name(const http::RequestHead& head) {
  if (is_beyond_dns(head.authority)) return "";
  return "without admin.token, this wants localhost or an IP address as its Host";
}

bool says_json(const http::RequestHead& head) {
  const std::string_view type = head.fields.get(http::Name::content_type);
  return equals_ignoring_case(trimmed(type.substr(0, type.find(';'))), "application/json");
}

}  // namespace mcplb::admin
