// Body framing: from the bytes of a message body to its content (RFC 9112 §6, §7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mcplb/base/result.hpp"
#include "mcplb/http/head.hpp"

namespace mcplb::http {

class ChunkedDecoder;

// Decodes one body in place, whatever its framing. Owned by the end that reads the message.
class BodyDecoder {
 public:
  BodyDecoder();
  ~BodyDecoder();
  BodyDecoder(const BodyDecoder&) = delete;
  BodyDecoder& operator=(const BodyDecoder&) = delete;

  // Before each message. `side` is whose bytes these are, for errors.
  void start(Framing framing, std::uint64_t content_length, Error::Side side);

  struct Step {
    std::string_view content;  // lies within the given bytes, which may have been moved together
    std::size_t consumed = 0;  // bytes of the input that this step has used up
  };
  // Takes what is there and returns the content in it. The content of several chunks is moved
  // together, so that it is one piece.
  Result<Step> decode(char* data, std::size_t size);
  // The peer ended the connection: the clean end of a close-delimited body, else an error.
  Result<void> end_of_input();
  bool done() const { return done_; }
  // Bytes that are known to follow: the rest of a Content-Length body or of the current chunk.
  std::uint64_t announced() const;
  // The trailer section of a chunked body as "Name: value\r\n" lines, forbidden fields removed.
  std::string_view trailers() const;

 private:
  Framing framing_ = Framing::none;
  Error::Side side_ = Error::Side::client;
  std::uint64_t left_ = 0;
  bool done_ = true;
  std::unique_ptr<ChunkedDecoder> chunked_;  // made at the first chunked message, then reused
};

}  // namespace mcplb::http
