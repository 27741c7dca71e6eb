// Reply heads: what is accepted is unambiguous, whatever request they answer.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/http/parser.hpp"

#include "fuzz/llhttp_oracle.hpp"

namespace {

using mcplb::http::Framing;
using mcplb::http::HeadScanner;
using mcplb::http::Method;
using mcplb::http::Name;
using mcplb::http::ReplyHead;
using mcplb::http::Settings;

void check_framing(const ReplyHead& head, Method method) {
  const auto& fields = head.fields;
  const bool bodyless =
      method == Method::head || head.status < 200 || head.status == 204 || head.status == 304;
  MCPLB_ASSERT(fields.count(Name::content_length) + fields.count(Name::transfer_encoding) <= 1);
  MCPLB_ASSERT(bodyless == (head.framing == Framing::none));
  if (bodyless) return;
  MCPLB_ASSERT((head.framing == Framing::chunked) == fields.has(Name::transfer_encoding));
  MCPLB_ASSERT((head.framing == Framing::length) == fields.has(Name::content_length));
  MCPLB_ASSERT(head.framing != Framing::until_close || !head.keep_alive);
}

void check_line_count(std::string_view bytes, const ReplyHead& head) {
  std::size_t line_ends = 0;
  for (const char c : bytes)
    line_ends += c == '\n' ? 1U : 0U;
  MCPLB_ASSERT(line_ends == head.fields.size() + 2);
  for (const auto& field : head.fields) {
    MCPLB_ASSERT(mcplb::is_token(field.name));
    MCPLB_ASSERT(field.value == mcplb::trimmed(field.value));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  HeadScanner scanner(mcplb::Error::Side::backend);
  const auto found = scanner.scan(bytes);
  if (!found || *found == 0) return 0;

  static ReplyHead head;
  const std::string_view head_bytes = bytes.substr(0, *found);
  for (const Method method : {Method::get, Method::head}) {
    if (!parse_reply_head(head_bytes, method, Settings{}, head)) continue;
    MCPLB_ASSERT(head.status >= 100 && head.status <= 599);
    check_framing(head, method);
    check_line_count(head_bytes, head);
    mcplb::fuzz::LlhttpOracle::check(head_bytes, HTTP_RESPONSE, head.fields);
  }
  return 0;
}
