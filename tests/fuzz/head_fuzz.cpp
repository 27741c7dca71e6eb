// Request heads: scanning them whole and in pieces agrees, and what is accepted is unambiguous.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/http/header_rules.hpp"
#include "mcplb/http/parser.hpp"

#include "fuzz/llhttp_oracle.hpp"

namespace {

using mcplb::http::Framing;
using mcplb::http::HeadScanner;
using mcplb::http::Name;
using mcplb::http::RequestHead;
using mcplb::http::Settings;

// The length of the head, 0 for an incomplete one, -1 for a refused one.
long scan(std::string_view bytes, std::size_t piece) {
  HeadScanner scanner;
  for (std::size_t size = std::min(piece, bytes.size());;
       size = std::min(size + piece, bytes.size())) {
    const auto found = scanner.scan(bytes.substr(0, size));
    if (!found) return -1;
    if (*found > 0 || size == bytes.size()) return static_cast<long>(*found);
  }
}

// Splits the lines of the head again, by other means.
void check_fields(std::string_view bytes, const RequestHead& head) {
  if (bytes.substr(0, 2) == "\r\n") bytes.remove_prefix(2);
  mcplb::fuzz::LlhttpOracle::check(bytes, HTTP_REQUEST, head.fields);
  bytes.remove_prefix(bytes.find("\r\n") + 2);
  for (const auto& field : head.fields) {
    const std::string_view line = bytes.substr(0, bytes.find("\r\n"));
    const std::size_t colon = line.find(':');
    MCPLB_ASSERT(colon != std::string_view::npos && mcplb::is_token(line.substr(0, colon)));
    MCPLB_ASSERT(field.name == line.substr(0, colon));
    MCPLB_ASSERT(field.value == mcplb::trimmed(line.substr(colon + 1)));
    bytes.remove_prefix(line.size() + 2);
  }
  MCPLB_ASSERT(bytes == "\r\n");
}

void check_accepted(const RequestHead& head) {
  const auto& fields = head.fields;
  MCPLB_ASSERT(fields.count(Name::host) <= 1);
  MCPLB_ASSERT(fields.count(Name::content_length) + fields.count(Name::transfer_encoding) <= 1);
  MCPLB_ASSERT((head.framing == Framing::chunked) == fields.has(Name::transfer_encoding));
  MCPLB_ASSERT((head.framing == Framing::length) == fields.has(Name::content_length));
  MCPLB_ASSERT(head.minor_version == 0 || !head.authority.empty());
  MCPLB_ASSERT(head.target == "*" || head.target.front() == '/');
  MCPLB_ASSERT(head.target.find_first_of(" #\t\r\n") == std::string_view::npos);
  const mcplb::http::HopByHop hop_by_hop(fields);
  for (const auto& field : fields)
    hop_by_hop.covers(field);
  mcplb::http::nominates_end_to_end_field(fields);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = data[0] % 32U + 1U;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const long found = scan(bytes, bytes.size() + 1);
  MCPLB_ASSERT(scan(bytes, piece) == found);
  if (found <= 0) return 0;

  static RequestHead head;
  const std::string_view head_bytes = bytes.substr(0, static_cast<std::size_t>(found));
  if (!parse_request_head(head_bytes, Settings{}, head)) return 0;
  check_fields(head_bytes, head);
  check_accepted(head);
  return 0;
}
