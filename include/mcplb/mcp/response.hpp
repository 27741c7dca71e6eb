// The JSON-RPC response to a request of our own, found in what a backend sent. No I/O; off the hot
// path: whole documents are parsed and copied, so the caller bounds them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mcplb::mcp {

struct Response {
  bool id_is_null = false;   // else it carries the id that was asked for
  bool is_error = false;     // else it carries a result
  std::int64_t code = 0;     // of an error; 0 when it is missing or no integer
  std::string message;       // of an error
  std::string protocol_version;  // that a result names: the one of `initialize` does
};

// The response that carries the string `id`, alone or as an element of an array (2025-03-26 lets a
// stream's events be batches). Failing that, an error with a null id: that is how a server answers
// what it did not read as far as its id. Nothing when the text is not JSON, for other messages, and
// for envelopes with a repeated key: JSON parsers differ in which of two counts.
std::optional<Response> find_response(std::string_view json, std::string_view id);

}  // namespace mcplb::mcp
