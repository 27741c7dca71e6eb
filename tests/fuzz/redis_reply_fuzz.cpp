// Replies of the store: whatever the bytes, and however they are split, the same replies come out.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mcplb/base/assert.hpp"

#include "redis/codec.hpp"

namespace {

using mcplb::redis::Reply;
using mcplb::redis::ReplyDecoder;

// What came out: each reply as text, then "!" if the bytes are no replies.
void append(std::string& out, const Reply& reply) {
  out += std::to_string(static_cast<int>(reply.type)) + ':' + std::to_string(reply.integer) + ':' +
         reply.text + '[';
  for (const Reply& element : reply.elements)
    append(out, element);
  out += ']';
}

std::string decoded(std::string_view bytes, std::size_t piece_max) {
  ReplyDecoder decoder;
  std::string out;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_max);
    bytes.remove_prefix(piece.size());
    decoder.feed(piece);
    while (true) {
      auto reply = decoder.next();
      if (!reply) return out + '!';
      if (!*reply) break;
      MCPLB_ASSERT((*reply)->elements.empty() || (*reply)->is_array());
      append(out, **reply);
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = decoded(bytes, size);
  MCPLB_ASSERT(decoded(bytes, 1) == whole);
  MCPLB_ASSERT(decoded(bytes, 7) == whole);
  return 0;
}
