// Chunked bodies: content, trailers, end and refusals do not depend on how the bytes arrive.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mcplb/base/assert.hpp"
#include "mcplb/http/body.hpp"

namespace {

using mcplb::http::BodyDecoder;
using mcplb::http::Framing;

struct Outcome {
  std::string content;
  std::string trailers;
  std::size_t consumed = 0;
  bool done = false;
  bool refused = false;
};

// The pieces are 1 to `piece_max` bytes long, in an order that follows from it.
Outcome decode(std::string_view bytes, std::size_t piece_max) {
  static BodyDecoder decoder;
  decoder.start(Framing::chunked, 0, mcplb::Error::Side::client);
  Outcome outcome;
  std::size_t size = piece_max;
  while (outcome.consumed < bytes.size() && !decoder.done()) {
    std::string piece(bytes.substr(outcome.consumed, size));
    const auto step = decoder.decode(piece.data(), piece.size());
    if (!step) {
      outcome.refused = true;
      return outcome;
    }
    MCPLB_ASSERT(decoder.done() || step->consumed == piece.size());
    outcome.content += step->content;
    outcome.consumed += step->consumed;
    size = size * 7 % piece_max + 1;
  }
  outcome.done = decoder.done();
  outcome.trailers = decoder.trailers();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = decode(bytes, bytes.size() + 1);
  for (const std::size_t piece_max : {std::size_t{1}, std::size_t{data[0]} + 1}) {
    const Outcome pieces = decode(bytes, piece_max);
    MCPLB_ASSERT(pieces.refused == whole.refused);
    if (whole.refused) continue;
    MCPLB_ASSERT(pieces.done == whole.done);
    MCPLB_ASSERT(pieces.consumed == whole.consumed);
    MCPLB_ASSERT(pieces.content == whole.content);
    MCPLB_ASSERT(pieces.trailers == whole.trailers);
  }
  return 0;
}
