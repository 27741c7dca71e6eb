// Looking for bytes of a head, sixteen at a time where the machine can.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "http/chars.hpp"

namespace mcplb::http {

#ifdef __SSE2__
inline constexpr std::size_t block_bytes = sizeof(__m128i);

inline __m128i block_at(std::string_view bytes, std::size_t at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at));
}

// One bit for each byte that is marked.
inline std::uint32_t bits_of(__m128i marks) {
  return static_cast<std::uint32_t>(_mm_movemask_epi8(marks));
}

// As is_control().
inline __m128i mark_controls(__m128i bytes) {
  const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i is_tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  const __m128i is_delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return _mm_or_si128(_mm_andnot_si128(is_tab, low), is_delete);
}

inline std::size_t first_of(std::uint32_t bits) {
  return static_cast<std::size_t>(std::countr_zero(bits));
}
#endif

// The first control at or after `from`; else the size.
inline std::size_t find_control(std::string_view bytes, std::size_t from = 0) {
#ifdef __SSE2__
  for (; from + block_bytes <= bytes.size(); from += block_bytes) {
    const std::uint32_t found = bits_of(mark_controls(block_at(bytes, from)));
    if (found != 0) return from + first_of(found);
  }
#endif
  for (; from < bytes.size(); ++from) {
    if (is_control(bytes[from])) return from;
  }
  return bytes.size();
}

struct LineParts {
  std::size_t colon;  // the first one; at or after `end` when the line has none
  std::size_t end;    // the first CR; else the size
};

// Of the line at the front of `bytes`.
inline LineParts split_line(std::string_view bytes) {
  std::size_t at = 0;
  std::size_t colon = bytes.size();
#ifdef __SSE2__
  for (; at + block_bytes <= bytes.size(); at += block_bytes) {
    const __m128i block = block_at(bytes, at);
    const std::uint32_t colons = bits_of(_mm_cmpeq_epi8(block, _mm_set1_epi8(':')));
    const std::uint32_t ends = bits_of(_mm_cmpeq_epi8(block, _mm_set1_epi8('\r')));
    if (colons != 0 && colon == bytes.size()) colon = at + first_of(colons);
    if (ends != 0) return {colon, at + first_of(ends)};
  }
#endif
  for (; at < bytes.size() && bytes[at] != '\r'; ++at) {
    if (bytes[at] == ':' && colon == bytes.size()) colon = at;
  }
  return {colon, at};
}

}  // namespace mcplb::http
