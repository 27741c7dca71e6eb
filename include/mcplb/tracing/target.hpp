// Where this process sends its spans, and as whom: from its settings and from the variables that
// OpenTelemetry gives a meaning to (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
// Read once, at start.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/net/settings.hpp"
#include "mcplb/tracing/settings.hpp"

namespace mcplb::tracing {

using Pair = std::pair<std::string, std::string>;

struct Target {
  Endpoint endpoint;
  std::vector<Pair> headers;   // of each request; they may be secret
  std::vector<Pair> resource;  // who we are: service.name and others
  net::TlsClientSettings tls;
  milliseconds timeout = limits::span_export;  // of one attempt
};

struct Resolved {
  std::optional<Target> target;  // none: tracing is off
  std::string source;            // the key or variable that names the endpoint
  // What is wrong with the environment, or ignored of it: sentences that show no value.
  std::vector<std::string> notes;
};

// Looks up a variable; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// A mistake in the environment turns tracing off, with a note; it never keeps a balancer from
// serving. `settings` have been checked.
Resolved resolve(const Settings& settings, const Environment& environment,
                 const std::string& instance);

}  // namespace mcplb::tracing
