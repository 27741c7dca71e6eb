// From heads to bytes. Messages are always serialised from the parsed model, never copied.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "mcplb/http/head.hpp"

namespace mcplb::http {

void append_field(std::string& out, std::string_view name, std::string_view value);
void append_field(std::string& out, std::string_view name, std::uint64_t value);
void append_status_line(std::string& out, int minor_version, int status, std::string_view reason);
// The standard phrase, or "" for a status without one.
std::string_view reason_phrase(int status);
// "Date: …" of now, formatted at most once a second per thread.
void append_date(std::string& out);

// "1f\r\n": what stands before the content of a chunk. The content is followed by CRLF.
class ChunkHeader {
 public:
  explicit ChunkHeader(std::size_t content_bytes);
  std::string_view text() const { return {text_.data() + begin_, text_.size() - begin_}; }

 private:
  std::array<char, 18> text_;
  std::size_t begin_;
};

}  // namespace mcplb::http
