#include <bit>
#include <cstdint>
#include <cstring>

#include "mcplb/http/parser.hpp"

#include "http/chars.hpp"

namespace mcplb::http {
namespace {

constexpr std::uint64_t every_byte = 0x0101010101010101ULL;
constexpr std::uint64_t high_bits = every_byte * 0x80;

// Of eight bytes, first in the low ones: the high bit of each that is below 0x20 or is 0x7f. The
// first subtraction borrows below 0x20, the second at zero, which 0x7f is after the xor. A borrow
// can also mark the byte after a true hit: only the lowest mark is certain.
std::uint64_t control_marks(std::uint64_t bytes) {
  const std::uint64_t below_space = (bytes - every_byte * 0x20) & ~bytes;
  const std::uint64_t no_delete = bytes ^ (every_byte * 0x7f);
  const std::uint64_t is_delete = (no_delete - every_byte) & ~no_delete;
  return (below_space | is_delete) & high_bits;
}

std::uint64_t load_word(const char* bytes) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// The first control character at or after `from`, HTAB excepted; else the size.
std::size_t find_control(std::string_view bytes, std::size_t from) {
  while (from + 8 <= bytes.size()) {
    const std::uint64_t marks = control_marks(load_word(bytes.data() + from));
    if (marks == 0) {
      from += 8;
      continue;
    }
    from += static_cast<std::size_t>(std::countr_zero(marks)) / 8;
    if (is_control(bytes[from])) return from;
    ++from;
  }
  for (; from < bytes.size(); ++from) {
    if (is_control(bytes[from])) return from;
  }
  return bytes.size();
}

const char* broken_rule_at(std::string_view bytes, std::size_t control) {
  if (bytes[control] == '\n') return "bare LF in a head";
  if (bytes[control] == '\0') return "NUL in a head";
  if (bytes[control] != '\r') return "control character in a head";
  if (control + 1 < bytes.size() && bytes[control + 1] != '\n') return "bare CR in a head";
  return nullptr;
}

const char* broken_rule_of_line(std::string_view line, bool first) {
  if (line.front() == ' ' || line.front() == '\t') {
    return first ? "white space before the start line" : "folded header line";
  }
  if (line.front() == ':') return "empty header name";
  return nullptr;
}

}  // namespace

Result<std::size_t> HeadScanner::scan(std::string_view bytes) {
  const auto refuse = [this](const char* rule) {
    return Error{Error::Kind::malformed, side_, 0, rule};
  };
  for (;;) {
    scanned_ = find_control(bytes, scanned_);
    if (scanned_ == bytes.size()) return std::size_t{0};
    if (const char* rule = broken_rule_at(bytes, scanned_)) return refuse(rule);
    if (scanned_ + 1 == bytes.size()) return std::size_t{0};

    const std::string_view line = bytes.substr(line_begin_, scanned_ - line_begin_);
    scanned_ += 2;
    line_begin_ = scanned_;
    if (!line.empty()) {
      if (const char* rule = broken_rule_of_line(line, !start_line_seen_)) return refuse(rule);
      start_line_seen_ = true;
    } else if (start_line_seen_) {
      return scanned_;
    } else if (scanned_ > 2) {
      return refuse("empty lines before the start line");
    }
  }
}

}  // namespace mcplb::http
