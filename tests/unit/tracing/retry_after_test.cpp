#include "tracing/retry_after.hpp"

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

namespace mcplb::tracing {

TEST_SUITE("tracing/retry_after") {
  TEST_CASE("seconds and dates are read, up to a bound") {
    CHECK(read_retry_after("0", 0) == milliseconds(0));
    CHECK(read_retry_after("7", 0) == milliseconds(7000));
    CHECK(read_retry_after("99999999", 0) == limits::span_retry_after_max);
    const std::int64_t date = 784'111'777;  // of the text below
    CHECK(read_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", date - 9) == milliseconds(9000));
    CHECK(read_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", date + 9) == milliseconds(0));
    CHECK(read_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 0) == limits::span_retry_after_max);
  }

  TEST_CASE("everything else says nothing") {
    for (const char* text : {"", "-1", "1.5", "soon", "99999999999999999999999",
                             "Sun, 06 Nov 1994 08:49:37 GMT and more", "1994-11-06"}) {
      CAPTURE(text);
      CHECK(!read_retry_after(text, 0));
    }
  }
}

}  // namespace mcplb::tracing
