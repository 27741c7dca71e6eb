// The chunked transfer coding (RFC 9112 §7.1), stricter than llhttp, which decodes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <llhttp.h>

#include "mcplb/base/result.hpp"
#include "mcplb/http/body.hpp"

namespace mcplb::http {

// Walks the lines of the coding byte by byte and hands llhttp the sizes and the content. Chunk
// extensions and trailers are checked here and never reach llhttp: its versions disagree about
// them, and it bounds neither. One per BodyDecoder, reused for every chunked message.
class ChunkedDecoder {
 public:
  ChunkedDecoder() = default;
  ChunkedDecoder(const ChunkedDecoder&) = delete;
  ChunkedDecoder& operator=(const ChunkedDecoder&) = delete;

  void start(Error::Side side);
  // As BodyDecoder::decode(). After an error only start() may follow.
  Result<BodyDecoder::Step> decode(char* data, std::size_t size);
  bool done() const { return part_ == Part::done; }
  std::string_view trailers() const { return trailers_; }
  // Content that is still to come of the current chunk; the CRLF behind it does not count.
  std::uint64_t announced() const { return left_ > 2 ? left_ - 2 : 0; }

 private:
  // Where in the coding the next byte stands.
  enum class Part : std::uint8_t { size, extension, size_line_end, content, trailer_line, done };

  // Each takes bytes of its part from the front of `input`, which is not empty, and returns how
  // many. A broken rule goes into rule_.
  std::size_t take(std::string_view input);
  std::size_t take_size(std::string_view input);
  std::size_t take_extension(std::string_view input);
  std::size_t take_size_line_end(std::string_view input);
  std::size_t take_content(std::string_view input);
  std::size_t take_trailer_line(std::string_view input);
  void finish_trailer_line();
  void feed(std::string_view bytes);

  static int on_chunk_header(llhttp_t* parser);
  static int on_body(llhttp_t* parser, const char* at, std::size_t size);
  static int on_message_complete(llhttp_t* parser);

  llhttp_t parser_{};
  Error::Side side_ = Error::Side::client;
  Part part_ = Part::done;
  const char* rule_ = nullptr;       // the rule that the input has broken
  int digits_ = 0;                   // of the size that is being read
  std::uint64_t left_ = 0;           // of the chunk's content and the CRLF after it
  std::size_t extension_bytes_ = 0;  // of the whole message
  std::size_t trailer_bytes_ = 0;    // of the whole message, dropped fields included
  char* input_ = nullptr;            // these three belong to the current decode()
  char* content_begin_ = nullptr;
  char* content_end_ = nullptr;
  std::string line_;  // the trailer line that is being read
  std::string trailers_;
};

}  // namespace mcplb::http
