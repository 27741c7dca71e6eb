// Where spans are sent, and how many traces are recorded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mcplb::tracing {

struct Settings {
  // The base URL of a collector that takes OTLP over HTTP: http://host:4318. "": what the
  // environment says, and off when it says nothing.
  std::string otlp_endpoint;
  // Of a million new traces; less where all of them cost too much. Who continues a trace does as
  // its caller does.
  std::uint32_t sample_millionths = 1'000'000;
};

struct Endpoint {
  std::string host;  // an IPv6 address without brackets
  std::uint16_t port = 0;
  bool https = false;
  std::string target = "/";  // path, and perhaps a query

  // "host:port", with brackets where needed.
  std::string authority() const;
  // For people: without the query.
  std::string text() const;
};

struct ParsedEndpoint {
  Endpoint endpoint;
  std::string wrong;  // what is wrong, as the end of a sentence; it repeats no password
};

// A URL that is used as it is.
ParsedEndpoint parse_endpoint(std::string_view url);
// One that names a collector: its path is continued by /v1/traces, unless it ends so already.
ParsedEndpoint parse_base_endpoint(std::string_view url);

}  // namespace mcplb::tracing
