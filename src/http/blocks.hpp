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

// HTAB excepted.
struct Control {
  static bool is(char c) { return is_control(c); }
#ifdef __SSE2__
  static __m128i mark(__m128i bytes) {
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    const __m128i is_tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    const __m128i is_delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    return _mm_or_si128(_mm_andnot_si128(is_tab, low), is_delete);
  }
#endif
};

struct Colon {
  static bool is(char c) { return c == ':'; }
#ifdef __SSE2__
  static __m128i mark(__m128i bytes) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')); }
#endif
};

// The first byte of that kind at or after `from`; else the size.
template <class Kind>
std::size_t find_first(std::string_view bytes, std::size_t from = 0) {
#ifdef __SSE2__
  constexpr std::size_t block_bytes = sizeof(__m128i);
  for (; from + block_bytes <= bytes.size(); from += block_bytes) {
    const auto* const block = reinterpret_cast<const __m128i*>(bytes.data() + from);
    const int marks = _mm_movemask_epi8(Kind::mark(_mm_loadu_si128(block)));
    if (marks != 0) {
      return from + static_cast<std::size_t>(std::countr_zero(static_cast<std::uint32_t>(marks)));
    }
  }
#endif
  for (; from < bytes.size(); ++from) {
    if (Kind::is(bytes[from])) return from;
  }
  return bytes.size();
}

}  // namespace mcplb::http
