// What Redis answers, as a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mcplb::redis {

struct Reply {
  enum class Type : std::uint8_t { nil, integer, string, status, error, array };
  Type type = Type::nil;
  std::int64_t integer = 0;
  std::string text;             // of a string, status or error; any bytes
  std::vector<Reply> elements;  // of an array

  bool is_nil() const { return type == Type::nil; }
  bool is_error() const { return type == Type::error; }
  bool is_array() const { return type == Type::array; }
  bool is_text() const { return type == Type::string || type == Type::status; }
  // The first word of an error ("NOSCRIPT", "WRONGTYPE", "ERR"), else "".
  std::string_view error_code() const {
    if (!is_error()) return {};
    return std::string_view(text).substr(0, text.find(' '));
  }
};

}  // namespace mcplb::redis
