// The oracle of the head targets: llhttp over a whole head, which our parser only gives its first
// line. What our parser takes, llhttp takes too, and splits at the same places.
#pragma once

#include <cstddef>
#include <string_view>

#include <llhttp.h>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/http/head.hpp"

namespace mcplb::fuzz {

class LlhttpOracle {
 public:
  // `head` begins with its start line; `fields` are what our parser has made of it.
  static void check(std::string_view head, llhttp_type_t type, const http::Fields& fields) {
    llhttp_settings_t settings{};
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    settings.on_header_value_complete = on_field;
    settings.on_headers_complete = [](llhttp_t*) -> int { return HPE_PAUSED; };
    LlhttpOracle oracle(fields);
    llhttp_t parser;
    llhttp_init(&parser, type, &settings);
    parser.data = &oracle;
    MCPLB_ASSERT(llhttp_execute(&parser, head.data(), head.size()) == HPE_PAUSED);
    MCPLB_ASSERT(llhttp_get_error_pos(&parser) == head.data() + head.size());
    MCPLB_ASSERT(oracle.seen_ == fields.size());
  }

 private:
  explicit LlhttpOracle(const http::Fields& fields) : fields_(fields) {}

  static LlhttpOracle& of(llhttp_t* parser) { return *static_cast<LlhttpOracle*>(parser->data); }
  static int on_name(llhttp_t* parser, const char* at, std::size_t size) {
    of(parser).name_ = {at, size};
    of(parser).value_ = {};
    return HPE_OK;
  }
  static int on_value(llhttp_t* parser, const char* at, std::size_t size) {
    of(parser).value_ = {at, size};
    return HPE_OK;
  }
  static int on_field(llhttp_t* parser) {
    LlhttpOracle& oracle = of(parser);
    MCPLB_ASSERT(oracle.seen_ < oracle.fields_.size());
    const auto at_seen = static_cast<std::ptrdiff_t>(oracle.seen_);
    const http::Field& field = *(oracle.fields_.begin() + at_seen);
    MCPLB_ASSERT(field.name == oracle.name_);
    MCPLB_ASSERT(field.value == trimmed(oracle.value_));
    ++oracle.seen_;
    return HPE_OK;
  }

  const http::Fields& fields_;
  std::size_t seen_ = 0;
  std::string_view name_;
  std::string_view value_;
};

}  // namespace mcplb::fuzz
