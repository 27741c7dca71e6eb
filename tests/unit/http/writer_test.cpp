#include "mcplb/http/writer.hpp"

#include <cstdint>
#include <ctime>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"

using mcplb::http::append_date;
using mcplb::http::append_fields;
using mcplb::http::Field;
using mcplb::http::parse_request_head;
using mcplb::http::RequestHead;
using mcplb::http::Settings;
using mcplb::http::append_field;
using mcplb::http::append_status_line;
using mcplb::http::ChunkHeader;
using mcplb::http::reason_phrase;

TEST_SUITE("http/writer") {
  TEST_CASE("writes fields and status lines") {
    std::string out;
    append_status_line(out, 1, 200, "OK");
    append_field(out, "A", "b");
    append_field(out, "Content-Length", std::uint64_t{0});
    append_field(out, "N", std::numeric_limits<std::uint64_t>::max());
    CHECK(out == "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\nN: 18446744073709551615\r\n");
  }

  TEST_CASE("writes the same lines whether they are copied together or one by one") {
    const std::string lines = "A: 1\r\nB: 2\r\nC:3\r\nD: 4 \r\nE: 5\r\nF: 6\r\n";
    const std::string bytes = "GET / HTTP/1.0\r\n" + lines + "\r\n";
    RequestHead head;
    REQUIRE(parse_request_head(bytes, Settings{}, head));
    REQUIRE(head.fields.size() == 6);
    // Every subset of the six fields.
    for (unsigned kept = 0; kept < 64; ++kept) {
      std::string expected = "before|";
      std::string out = "before|";
      unsigned index = 0;
      for (const Field& field : head.fields) {
        if ((kept >> index++ & 1U) != 0) append_field(expected, field.name, field.value);
      }
      index = 0;
      append_fields(out, head.fields, [&](const Field&) { return (kept >> index++ & 1U) != 0; });
      CHECK(out == expected);
    }
  }

  TEST_CASE("keeps the space before an empty reason, and the version 1.0") {
    std::string out;
    append_status_line(out, 0, 299, "");
    CHECK(out == "HTTP/1.0 299 \r\n");
  }

  TEST_CASE("knows the standard phrases and has none for other numbers") {
    CHECK(reason_phrase(100) == "Continue");
    CHECK(reason_phrase(200) == "OK");
    CHECK(reason_phrase(404) == "Not Found");
    CHECK(reason_phrase(431) == "Request Header Fields Too Large");
    CHECK(reason_phrase(511) == "Network Authentication Required");
    CHECK(reason_phrase(0) == "");
    CHECK(reason_phrase(299) == "");
    CHECK(reason_phrase(599) == "");
  }

  TEST_CASE("writes the date of now in the form of RFC 9110") {
    const auto expected = [](std::time_t second) {
      char text[64];
      std::tm utc{};
      gmtime_r(&second, &utc);
      std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
      return std::string(text);
    };
    const std::time_t before = std::time(nullptr);
    std::string out;
    append_date(out);
    const std::time_t after = std::time(nullptr);
    CHECK((out == expected(before) || out == expected(after)));
    std::string again;
    append_date(again);
    CHECK(again.size() == out.size());
  }

  TEST_CASE("writes chunk sizes in lower-case hexadecimal") {
    CHECK(ChunkHeader(0).text() == "0\r\n");
    CHECK(ChunkHeader(31).text() == "1f\r\n");
    CHECK(ChunkHeader(0xabc0).text() == "abc0\r\n");
    CHECK(ChunkHeader(std::numeric_limits<std::size_t>::max()).text() == "ffffffffffffffff\r\n");
  }
}
