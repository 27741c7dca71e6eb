// Spans as the JSON form of an OTLP export request has them
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): names in lower camel case,
// ids in hex, enumerations as numbers, 64-bit integers as texts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/span.hpp"
#include "mcplb/tracing/target.hpp"

namespace mcplb::tracing {

std::string to_otlp_json(std::span<const Span> spans, const std::vector<Pair>& resource);

// What a collector says to spans that it took.
struct Acceptance {
  std::uint64_t rejected = 0;
  std::string message;  // escaped, bounded
};
// A reply that cannot be read rejects nothing.
Acceptance read_acceptance(std::string_view body);
// The `message` of a refusal; escaped, bounded, empty when there is none.
std::string read_refusal(std::string_view body);

}  // namespace mcplb::tracing
