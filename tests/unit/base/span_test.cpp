#include "mcplb/base/span.hpp"

#include <doctest/doctest.h>

#include <string>

#include "mcplb/base/limits.hpp"

namespace mcplb {

TEST_SUITE("base/span") {
  TEST_CASE("a text is cut at its bound, and never inside of a character") {
    const std::string fits(limits::span_text_bytes_max, 'x');
    CHECK(span_text(fits) == fits);
    CHECK(span_text(fits + "y") == fits);
    const std::string before(limits::span_text_bytes_max - 1, 'x');
    CHECK(span_text(before + "\xc3\xa9") == before);
    CHECK(span_text(before.substr(1) + "\xc3\xa9z") == before.substr(1) + "\xc3\xa9");
  }

  TEST_CASE("bytes that are no text at all are cut all the same") {
    const std::string odd(2 * limits::span_text_bytes_max, '\x80');
    CHECK(span_text(odd).empty());
  }

  TEST_CASE("attributes are bounded, and an empty text is none") {
    SpanAttributes attributes;
    attributes.add("empty", "");
    CHECK(attributes.size() == 0);
    for (std::size_t i = 0; i < limits::span_attributes_max; ++i)
      attributes.add("k", static_cast<std::int64_t>(i));
    attributes.add("k", 1);
    attributes.add("k", "v");
    CHECK(attributes.size() == limits::span_attributes_max);
  }
}

}  // namespace mcplb
