#include <bit>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "mcplb/http/parser.hpp"

#include "http/chars.hpp"

namespace mcplb::http {
namespace {

#ifdef __SSE2__
constexpr std::size_t block_bytes = 16;

// One bit for each byte of a block, first in the lowest, that is a control character.
std::uint32_t control_marks(const char* block) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block));
  const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i is_tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  const __m128i is_delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  const __m128i marks = _mm_or_si128(_mm_andnot_si128(is_tab, low), is_delete);
  return static_cast<std::uint32_t>(_mm_movemask_epi8(marks));
}
#else
constexpr std::size_t block_bytes = 8;

std::uint32_t control_marks(const char* block) {
  std::uint32_t marks = 0;
  for (std::size_t i = 0; i < block_bytes; ++i)
    marks |= (is_control(block[i]) ? 1U : 0U) << i;
  return marks;
}
#endif

// The first control character at or after `from`, HTAB excepted; else the size.
std::size_t find_control(std::string_view bytes, std::size_t from) {
  for (; from + block_bytes <= bytes.size(); from += block_bytes) {
    const std::uint32_t marks = control_marks(bytes.data() + from);
    if (marks != 0) return from + static_cast<std::size_t>(std::countr_zero(marks));
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
