// From heads to bytes. What is written is what the parsed model says, also where the
// bytes that it was parsed from are copied.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "mcplb/http/head.hpp"

namespace mcplb::http {

void append_field(std::string& out, std::string_view name, std::string_view value);
// Appends the fields for which `passes(field)`. Plain ones that stood together are copied together.
template <class Passes>
void append_fields(std::string& out, const Fields& fields, Passes passes);
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

template <class Passes>
void append_fields(std::string& out, const Fields& fields, Passes passes) {
  constexpr std::size_t separators = std::string_view(": \r\n").size();
  std::string_view together;
  for (const Field& field : fields) {
    if (!passes(field)) continue;
    const bool continues = field.plain && field.name.data() == together.data() + together.size();
    if (!continues) {
      out.append(together);
      together = {};
    }
    if (field.plain) {
      const std::size_t line = field.name.size() + field.value.size() + separators;
      together = continues ? std::string_view(together.data(), together.size() + line)
                           : std::string_view(field.name.data(), line);
    } else {
      append_field(out, field.name, field.value);
    }
  }
  out.append(together);
}

}  // namespace mcplb::http
