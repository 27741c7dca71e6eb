#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"

using namespace std::string_literals;
using mcplb::Error;
using mcplb::Result;
using mcplb::http::HeadScanner;

namespace {

Result<std::size_t> scan_whole(std::string_view bytes) {
  HeadScanner scanner;
  return scanner.scan(bytes);
}

// The last result when the bytes arrive one at a time.
Result<std::size_t> scan_bytewise(std::string_view bytes) {
  HeadScanner scanner;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    auto found = scanner.scan(bytes.substr(0, size));
    if (!found || *found > 0 || size == bytes.size()) return found;
  }
  return std::size_t{0};
}

struct Refusal {
  std::string bytes;
  const char* rule;
};

const Refusal refusals[] = {
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", "bare LF in a head"},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", "bare LF in a head"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", "bare LF in a head"},
    {"\nGET / HTTP/1.1\r\n", "bare LF in a head"},
    {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "bare CR in a head"},
    {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "bare CR in a head"},
    {"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n"s, "NUL in a head"},
    {"GET / HTTP/1.1\r\nX: a\x01\r\n\r\n", "control character in a head"},
    {"GET / HTTP/1.1\r\nX: a\x0b\r\n\r\n", "control character in a head"},
    {"GET / HTTP/1.1\r\nX: 1234567\x7f\r\n\r\n", "control character in a head"},
    {"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "folded header line"},
    {"GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", "folded header line"},
    {"GET / HTTP/1.1\r\n X: a\r\n\r\n", "folded header line"},
    {"GET / HTTP/1.1\r\nX: a\r\n \r\n\r\n", "folded header line"},
    {"GET / HTTP/1.1\r\n: a\r\n\r\n", "empty header name"},
    {" GET / HTTP/1.1\r\n\r\n", "white space before the start line"},
    {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", "empty lines before the start line"},
};

}  // namespace

TEST_SUITE("http/scanner") {
  TEST_CASE("refuses what no head may contain, and says which rule it breaks") {
    for (const Refusal& refusal : refusals) {
      CAPTURE(refusal.bytes);
      const auto whole = scan_whole(refusal.bytes);
      REQUIRE_FALSE(whole);
      CHECK(whole.error().kind == Error::Kind::malformed);
      CHECK(whole.error().what == std::string_view(refusal.rule));
      const auto bytewise = scan_bytewise(refusal.bytes);
      REQUIRE_FALSE(bytewise);
      CHECK(bytewise.error().what == std::string_view(refusal.rule));
    }
  }

  TEST_CASE("finds every control character at every place of a line") {
    for (int byte = 0; byte < 256; ++byte) {
      const bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
      for (std::size_t place = 0; place < 20; ++place) {
        std::string head = "GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n";
        head[19 + place] = static_cast<char>(byte);
        CAPTURE(byte);
        CAPTURE(place);
        CHECK(static_cast<bool>(scan_whole(head)) != control);
      }
    }
  }

  TEST_CASE("finds the end of a head and leaves what follows it") {
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nX:\tb \x80\r\n\r\n";
    for (const std::string& bytes : {head, head + "body", head + "\r\n", head + "\n\0 : "s}) {
      REQUIRE(scan_whole(bytes));
      CHECK(*scan_whole(bytes) == head.size());
      CHECK(*scan_bytewise(bytes) == head.size());
    }
  }

  TEST_CASE("asks for more bytes before the closing empty line is there") {
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (std::size_t size = 0; size < head.size(); ++size) {
      CAPTURE(size);
      REQUIRE(scan_whole(head.substr(0, size)));
      CHECK(*scan_whole(head.substr(0, size)) == 0);
    }
  }

  TEST_CASE("counts one empty line before the head in its length") {
    const std::string head = "\r\nGET / HTTP/1.1\r\n\r\n";
    REQUIRE(scan_whole(head));
    CHECK(*scan_whole(head) == head.size());
    CHECK(*scan_bytewise(head) == head.size());
  }

  TEST_CASE("begins anew after reset and keeps its side") {
    HeadScanner scanner(Error::Side::backend);
    CHECK(*scanner.scan("HTTP/1.1 200 OK\r\n\r\n") == 19);
    scanner.reset();
    CHECK(*scanner.scan("HTTP/1.1 200 OK\r\nA: b\r\n\r\n") == 25);
    scanner.reset();
    CHECK(scanner.scan("HTTP/1.1 200 OK\n").error().side == Error::Side::backend);
  }
}
