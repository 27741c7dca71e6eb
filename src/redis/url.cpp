#include <optional>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/redis/settings.hpp"

namespace mcplb::redis {
namespace {

constexpr std::uint16_t server_port = 6379;
constexpr std::uint16_t sentinel_port = 26379;
constexpr std::uint64_t db_max = 65'535;

enum class Form { server, unix_socket, sentinel };
struct Scheme {
  std::string_view prefix;
  Form form;
  bool tls;
};
constexpr Scheme schemes[] = {
    {"redis://", Form::server, false},
    {"rediss://", Form::server, true},
    {"redis+unix://", Form::unix_socket, false},
    {"unix://", Form::unix_socket, false},
    {"redis+sentinel://", Form::sentinel, false},
};

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const char lower = ascii_lower(c);
    const bool plain = is_digit(c) || (lower >= 'a' && lower <= 'z') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += "0123456789ABCDEF"[byte >> 4];
    out += "0123456789ABCDEF"[byte & 15];
  }
  return out;
}

// Blanks and controls never belong into a host, a path or a name.
bool is_plain(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte >= 0x7f) return false;
  }
  return !text.empty();
}

// Each step takes its part off the front and returns what is wrong, or "".
class Parser {
 public:
  Parser(const Scheme& scheme, std::string_view rest) : scheme_(scheme), rest_(rest) {}

  std::string parse(Url& url) {
    std::string wrong = take_credentials(url);
    if (!wrong.empty()) return wrong;
    switch (scheme_.form) {
      case Form::unix_socket: return take_socket(url);
      case Form::sentinel: return take_sentinels(url);
      case Form::server: break;
    }
    return take_server(url);
  }

 private:
  std::string take_credentials(Url& url) {
    // The last "@", so that one in a password that was not encoded does not end it early. The
    // path of a unix socket may have one, too: there only what stands before the path counts.
    const std::size_t slash = rest_.find('/');
    const std::size_t at = rest_.substr(0, slash).rfind('@');
    if (at == std::string_view::npos) return "";
    const std::string_view credentials = rest_.substr(0, at);
    rest_.remove_prefix(at + 1);
    const std::size_t colon = credentials.find(':');
    if (colon == std::string_view::npos || colon + 1 == credentials.size()) {
      return "has a user but no password: user:password@ or :password@";
    }
    auto user = percent_decoded(credentials.substr(0, colon));
    auto password = percent_decoded(credentials.substr(colon + 1));
    if (!user || !password) return "has a broken % in its user or password: a % itself is %25";
    url.user = std::move(*user);
    url.password = std::move(*password);
    return "";
  }

  std::string take_server(Url& url) {
    const std::string_view address = take_until('/');
    std::string wrong = add_endpoint(url, address, server_port);
    return wrong.empty() ? take_db(url) : wrong;
  }

  std::string take_sentinels(Url& url) {
    std::string_view addresses = take_until('/');
    while (true) {
      const std::size_t comma = addresses.find(',');
      std::string wrong = add_endpoint(url, addresses.substr(0, comma), sentinel_port);
      if (!wrong.empty()) return wrong;
      if (comma == std::string_view::npos) break;
      addresses.remove_prefix(comma + 1);
    }
    const std::string_view master = take_until('/');
    if (!is_plain(master)) {
      return "names no master: redis+sentinel://host:port,host:port/master-name";
    }
    url.master = master;
    return take_db(url);
  }

  std::string take_socket(Url& url) {
    Endpoint endpoint;
    endpoint.path = take_until('?');
    if (!is_plain(endpoint.path) || endpoint.path.front() != '/') {
      return "wants an absolute path: redis+unix:///run/redis.sock";
    }
    // sun_path has 108 bytes, the terminating zero included.
    if (endpoint.path.size() > 107) return "has a path that is too long for a unix socket";
    url.endpoints.push_back(std::move(endpoint));
    if (rest_.empty()) return "";
    if (rest_.substr(0, 3) != "db=") return "has a query other than ?db=NUMBER";
    rest_.remove_prefix(3);
    return take_db(url);
  }

  std::string add_endpoint(Url& url, std::string_view address, std::uint16_t port) {
    if (url.endpoints.size() == limits::redis_sentinels_max) return "names too many sentinels";
    const bool bracketed = !address.empty() && address.front() == '[';
    const std::size_t bracket = bracketed ? address.find(']') : 0;
    if (bracket == std::string_view::npos) return "has an IPv6 address without its bracket";
    const std::size_t colon = address.find(':', bracket);
    Endpoint endpoint;
    endpoint.host = bracketed ? address.substr(1, bracket - 1) : address.substr(0, colon);
    endpoint.tls = scheme_.tls;
    endpoint.port = port;
    if (!is_plain(endpoint.host)) return "names no host";
    if (bracketed && colon != bracket + 1 && bracket + 1 != address.size()) {
      return "has something between the address in brackets and its port";
    }
    if (endpoint.host.find_first_of("?#[]@,") != std::string::npos) {
      return "has a character in its host that does not belong there";
    }
    if (colon != std::string_view::npos) {
      const auto number = parse_decimal(address.substr(colon + 1));
      if (!number || *number == 0 || *number > 65535) return "has a port outside of 1 to 65535";
      endpoint.port = static_cast<std::uint16_t>(*number);
    }
    url.endpoints.push_back(std::move(endpoint));
    return "";
  }

  std::string take_db(Url& url) const {
    if (rest_.empty()) return "";
    const auto number = parse_decimal(rest_);
    if (!number || *number > db_max) {
      return "has a database that is no number from 0 to " + std::to_string(db_max);
    }
    url.db = static_cast<std::uint32_t>(*number);
    return "";
  }

  std::string_view take_until(char end) {
    const std::size_t at = rest_.find(end);
    const std::string_view taken = rest_.substr(0, at);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + 1);
    return taken;
  }

  const Scheme& scheme_;
  std::string_view rest_;
};

std::string host_port(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  std::string text = v6 ? "[" + endpoint.host + "]" : endpoint.host;
  text += ':';
  return text.append(std::to_string(endpoint.port));
}

}  // namespace

std::string Endpoint::text() const { return path.empty() ? host_port(*this) : "unix:" + path; }

std::string Url::masked() const {
  if (endpoints.empty()) return "";
  const Endpoint& first = endpoints.front();
  std::string text = "redis://";
  if (first.tls) text = "rediss://";
  if (!first.path.empty()) text = "redis+unix://";
  if (!master.empty()) text = "redis+sentinel://";
  if (!password.empty()) text += percent_encoded(user) + ":***@";
  if (!first.path.empty()) {
    return text + first.path + (db == 0 ? "" : "?db=" + std::to_string(db));
  }
  for (const Endpoint& each : endpoints) {
    if (&each != &first) text += ',';
    text += host_port(each);
  }
  if (!master.empty()) text += '/' + master;
  return db == 0 ? text : text + '/' + std::to_string(db);
}

ParsedUrl parse_url(std::string_view text) {
  ParsedUrl parsed;
  for (const Scheme& scheme : schemes) {
    if (!starts_with_ignoring_case(text, scheme.prefix)) continue;
    text.remove_prefix(scheme.prefix.size());
    parsed.wrong = Parser(scheme, text).parse(parsed.url);
    if (!parsed.wrong.empty()) parsed.url = Url();
    return parsed;
  }
  parsed.wrong =
      "wants the form redis://[user:password@]host[:port][/db], redis+unix:///path or "
      "redis+sentinel://host:port,host:port/master-name";
  return parsed;
}

}  // namespace mcplb::redis
