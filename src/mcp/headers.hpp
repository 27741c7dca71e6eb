// The four MCP header fields of a request, and what they claim.
#pragma once

#include <string_view>

#include "mcplb/http/head.hpp"

namespace mcplb::mcp {

// One MCP field. `present` tells an empty value from an absent field.
struct McpField {
  std::string_view value;
  bool present = false;
};

// Views into the request's head.
struct McpHeaders {
  McpField session;
  McpField version;
  McpField method;
  McpField name;
  // Why the fields break the rules that hold whatever the body says; nullptr when they do not.
  const char* broken = nullptr;
};

McpHeaders read_mcp_headers(const http::Fields& fields);

// 2026-07-28 or later: a date from then on, or any text that is no date (a draft's name).
bool is_modern_version(std::string_view version);

// Whether an Mcp-Name field names `name`, after decoding. An undecodable value names nothing.
bool names(std::string_view mcp_name, std::string_view name);

}  // namespace mcplb::mcp
