// What the body of a failed request says, whatever framework wrote it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mcplb::mcp {

struct ErrorBody {
  bool json_rpc = false;      // a JSON-RPC error
  bool id_is_null = false;    // or absent
  std::int64_t code = 0;      // of a JSON-RPC error
  std::vector<std::string> texts;  // what is written for people
};

// Nothing when the body is no JSON object.
std::optional<ErrorBody> read_error_body(std::string_view json);

}  // namespace mcplb::mcp
