#include "config/values.hpp"

#include <doctest/doctest.h>

namespace mcplb::config {
namespace {

Row row_of(Kind kind, std::int64_t min, std::int64_t max) {
  Row row;
  row.kind = kind;
  row.min = min;
  row.max = max;
  return row;
}

const Row duration = row_of(Kind::duration, 1, 86'400'000);
const Row size = row_of(Kind::size, 1024, 1024 * 1024 * 1024);

std::int64_t number(const Row& row, const std::string& text) {
  const ParsedValue parsed = parse_value(row, text);
  REQUIRE(parsed.wrong == "");
  return std::get<std::int64_t>(parsed.value);
}

}  // namespace

TEST_SUITE("config/values") {
  TEST_CASE("durations are read in milliseconds") {
    CHECK(number(duration, "250ms") == 250);
    CHECK(number(duration, "30s") == 30'000);
    CHECK(number(duration, "1.5s") == 1500);
    CHECK(number(duration, "5m") == 300'000);
    CHECK(number(duration, "1h") == 3'600'000);
  }

  TEST_CASE("sizes are read in bytes") {
    CHECK(number(size, "2048B") == 2048);
    CHECK(number(size, "64KiB") == 65'536);
    CHECK(number(size, "1.5MiB") == 1'572'864);
    CHECK(number(size, "1GiB") == 1'073'741'824);
  }

  TEST_CASE("a number without a unit is refused with the units") {
    CHECK(parse_value(duration, "30").wrong == "\"30\" needs a unit: 250ms, 30s, 5m, 1h");
    CHECK(parse_value(size, "4096").wrong == "\"4096\" needs a unit: 512B, 64KiB, 4MiB, 1GiB");
  }

  TEST_CASE("what is no duration or size is refused with examples") {
    for (const char* text :
         {"", "s", "-1s", "1d", "1 s", "1S", "1.2.3s", ".5s", "1.s", "1.0005s"}) {
      CAPTURE(text);
      CHECK(parse_value(duration, text).wrong ==
            '"' + std::string(text) + "\" is no duration: 250ms, 30s, 5m, 1h");
    }
    for (const char* text : {"64KB", "64k", "4M", "KiB", "1e3B"}) {
      CAPTURE(text);
      CHECK(parse_value(size, text).wrong ==
            '"' + std::string(text) + "\" is no size: 512B, 64KiB, 4MiB, 1GiB");
    }
  }

  TEST_CASE("the message names the range") {
    CHECK(parse_value(duration, "25h").wrong == "\"25h\" is out of range: 1ms to 24h");
    CHECK(parse_value(duration, "0s").wrong == "\"0s\" is out of range: 1ms to 24h");
    CHECK(parse_value(size, "5B").wrong == "\"5B\" is out of range: 1KiB to 1GiB");
    const Row integer = row_of(Kind::integer, 0, 10);
    CHECK(parse_value(integer, "11").wrong == "\"11\" is out of range: 0 to 10");
    CHECK(parse_value(integer, "-1").wrong == "\"-1\" is no whole number: 0 to 10");
    CHECK(parse_value(integer, "two").wrong == "\"two\" is no whole number: 0 to 10");
  }

  TEST_CASE("numbers too large for any type are refused") {
    CHECK(parse_value(duration, "99999999999999999999h").wrong != "");
    CHECK(parse_value(duration, "4294967295h").wrong != "");
    CHECK(parse_value(row_of(Kind::integer, 0, 10), "18446744073709551617").wrong != "");
  }

  TEST_CASE("auto is a count of zero, and zero is not") {
    const Row row = row_of(Kind::count_or_auto, 1, 1024);
    CHECK(number(row, "auto") == 0);
    CHECK(number(row, "8") == 8);
    CHECK(parse_value(row, "0").wrong == "\"0\" is out of range: auto or 1 to 1024");
  }

  TEST_CASE("percentages need their sign") {
    const Row row = row_of(Kind::percent, 0, 100);
    CHECK(number(row, "50%") == 50);
    CHECK(parse_value(row, "50").wrong == "\"50\" is no percentage: 0% to 100%");
    CHECK(parse_value(row, "101%").wrong == "\"101%\" is out of range: 0% to 100%");
  }

  TEST_CASE("values print in the largest unit that divides them") {
    CHECK(value_text(duration, std::int64_t{0}) == "0s");
    CHECK(value_text(duration, std::int64_t{1500}) == "1500ms");
    CHECK(value_text(duration, std::int64_t{90'000}) == "90s");
    CHECK(value_text(duration, std::int64_t{1'800'000}) == "30m");
    CHECK(value_text(size, std::int64_t{65'536}) == "64KiB");
    CHECK(value_text(size, std::int64_t{1000}) == "1000B");
  }

  TEST_CASE("a secret's value is not repeated in a message") {
    Row row = duration;
    row.secret = true;
    CHECK(parse_value(row, "hunter2").wrong.find("hunter2") == std::string::npos);
  }
}

}  // namespace mcplb::config
