#include "mcplb/base/span.hpp"

#include "mcplb/base/limits.hpp"

namespace mcplb {
namespace {

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

std::string_view span_text(std::string_view text) {
  if (text.size() <= limits::span_text_bytes_max) return text;
  std::size_t size = limits::span_text_bytes_max;
  while (size > 0 && continues_character(text[size]))
    --size;
  return text.substr(0, size);
}

void SpanAttributes::add(const char* key, std::int64_t value) {
  if (all_.size() >= limits::span_attributes_max) return;
  SpanAttribute& added = all_.emplace_back();
  added.key = key;
  added.number = value;
  added.is_number = true;
}

void SpanAttributes::add(const char* key, std::string_view value) {
  if (value.empty() || all_.size() >= limits::span_attributes_max) return;
  SpanAttribute& added = all_.emplace_back();
  added.key = key;
  added.text = span_text(value);
}

}  // namespace mcplb
