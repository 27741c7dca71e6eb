#include <algorithm>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/http/body.hpp"

using namespace std::string_literals;
using mcplb::Error;
using mcplb::http::BodyDecoder;
using mcplb::http::Framing;

namespace {

struct Outcome {
  std::string content;
  std::string trailers;
  std::string rule;  // the broken one, if any
  std::size_t consumed = 0;
  bool done = false;
};

// Decodes `bytes` as they would arrive in pieces of `piece` bytes after one of `first`.
Outcome decode(const std::string& bytes, std::size_t first, std::size_t piece) {
  BodyDecoder decoder;
  decoder.start(Framing::chunked, 0, Error::Side::backend);
  Outcome outcome;
  std::size_t size = first;
  while (outcome.consumed < bytes.size() && !decoder.done()) {
    std::string part = bytes.substr(outcome.consumed, std::max<std::size_t>(size, 1));
    auto step = decoder.decode(part.data(), part.size());
    if (!step) {
      CHECK(step.error().kind == Error::Kind::malformed);
      CHECK(step.error().side == Error::Side::backend);
      outcome.rule = step.error().what;
      return outcome;
    }
    // Whoever reads can then throw away the whole part: nothing is left behind.
    CHECK((decoder.done() || step->consumed == part.size()));
    outcome.content += step->content;
    outcome.consumed += step->consumed;
    size = piece;
  }
  outcome.done = decoder.done();
  outcome.trailers = decoder.trailers();
  return outcome;
}

Outcome decode_whole(const std::string& bytes) {
  return decode(bytes, bytes.size(), 1);
}

// The same for the whole, for every cut into two, and byte by byte.
void check_all_splits(const std::string& bytes, const Outcome& expected) {
  for (std::size_t first = 0; first <= bytes.size(); ++first) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, bytes.size()}) {
      CAPTURE(first);
      CAPTURE(piece);
      const Outcome outcome = decode(bytes, first, piece);
      CHECK(outcome.rule == expected.rule);
      CHECK(outcome.done == expected.done);
      if (!outcome.done) continue;
      CHECK(outcome.content == expected.content);
      CHECK(outcome.trailers == expected.trailers);
      CHECK(outcome.consumed == expected.consumed);
    }
  }
}

}  // namespace

TEST_SUITE("http/chunked_decoder") {
  TEST_CASE("decodes chunks and leaves the bytes of the next message") {
    struct Case {
      std::string bytes;
      std::string content;
      std::string trailers;
    };
    const Case cases[] = {
        {"0\r\n\r\n", "", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
        {"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef", ""},
        {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""},
        {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello", ""},
        {"4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", ""},
        {"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n", ""},
        {"3\r\na\0b\r\n0\r\n\r\n"s, "a\0b"s, ""},
        {"5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", ""},
        {"5;a=b;c=\"d e\"\r\nhello\r\n0\r\n\r\n", "hello", ""},
        {"5; a = b \t\r\nhello\r\n0;\r\n\r\n", "hello", ""},
        {"5;\x80\xff\r\nhello\r\n0\r\n\r\n", "hello", ""},
        {"0\r\nX: y\r\n\r\n", "", "X: y\r\n"},
        {"0\r\nX:y\r\nZ:\t \r\nx:  a \t b \r\n\r\n", "", "X: y\r\nZ: \r\nx: a \t b\r\n"},
        {"1\r\na\r\n0\r\nDigest: \x80\r\n\r\n", "a", "Digest: \x80\r\n"},
    };
    for (const Case& c : cases) {
      CAPTURE(c.bytes);
      const Outcome expected{c.content, c.trailers, "", c.bytes.size(), true};
      check_all_splits(c.bytes, expected);
      check_all_splits(c.bytes + "GET / HTTP/1.1\r\n\r\n", expected);
      check_all_splits(c.bytes + "\r\n0\r\n\r\n", expected);
    }
  }

  TEST_CASE("refuses chunk lines that two parsers could read differently") {
    for (const std::string& line : {"\r\n"s,
                                    " 5\r\n"s,
                                    "5 \r\n"s,
                                    "5\t\r\n"s,
                                    "5 ;a\r\n"s,
                                    "+5\r\n"s,
                                    "-5\r\n"s,
                                    "-0\r\n"s,
                                    "0x5\r\n"s,
                                    "x5\r\n"s,
                                    "5_0\r\n"s,
                                    "5h\r\n"s,
                                    "5.0\r\n"s,
                                    "5,5\r\n"s,
                                    "\"5\"\r\n"s,
                                    ";a\r\n"s,
                                    "g\r\n"s,
                                    "5\n"s,
                                    "5\r"s,
                                    "5\rx"s,
                                    "5\r\r\n"s,
                                    "5;a\n"s,
                                    "5;a\rb\r\n"s,
                                    "5;a\r\r\n"s,
                                    "5;a\0\r\n"s,
                                    "5;a\x01\r\n"s,
                                    "5;a\x7f\r\n"s,
                                    "5;\x0b\r\n"s,
                                    "\0005\r\n"s,
                                    "5\0\r\n"s,
                                    "\x80"s + "5\r\n"s,
                                    "00000000000000005\r\n"s,
                                    "10000000000000005\r\n"s,
                                    "fffffffffffffffff\r\n"s,
                                    "0\n\r\n"s,
                                    "5\r\n\r\n"s}) {
      CAPTURE(line);
      const std::string bytes = line + "hello\r\n0\r\n\r\n";
      const Outcome whole = decode_whole(bytes);
      CHECK(whole.rule != "");
      check_all_splits(bytes, whole);
    }
  }

  TEST_CASE("refuses content that is not followed by CRLF") {
    for (const std::string& bytes :
         {"5\r\nhello0\r\n\r\n"s, "5\r\nhello\n0\r\n\r\n"s, "5\r\nhello\r0\r\n\r\n"s,
          "5\r\nhelloX\r\n0\r\n\r\n"s, "5\r\nhello\r\r\n0\r\n\r\n"s, "5\r\nhello \r\n0\r\n\r\n"s,
          "5\r\nhello\n\n0\r\n\r\n"s, "4\r\nhello\r\n0\r\n\r\n"s, "5\r\nhello\r\n\r\n0\r\n\r\n"s}) {
      CAPTURE(bytes);
      const Outcome whole = decode_whole(bytes);
      CHECK(whole.rule != "");
      check_all_splits(bytes, whole);
    }
  }

  TEST_CASE("refuses malformed trailers") {
    for (const std::string& lines :
         {"\n"s, "\r\r\n"s, "X: y\n\r\n"s, "X: y\r\n\n"s, "X: y\r\n z\r\n\r\n"s, " X: y\r\n\r\n"s,
          "\tX: y\r\n\r\n"s, ": y\r\n\r\n"s, "X : y\r\n\r\n"s, "X\r\n\r\n"s, "X y: z\r\n\r\n"s,
          "X: a\rb\r\n\r\n"s, "X: a\0b\r\n\r\n"s, "X: a\x01\r\n\r\n"s, "X: a\x7f\r\n\r\n"s,
          "X\x80: a\r\n\r\n"s, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"s}) {
      const std::string bytes = "5\r\nhello\r\n0\r\n" + lines;
      CAPTURE(bytes);
      const Outcome whole = decode_whole(bytes);
      CHECK(whole.rule != "");
      check_all_splits(bytes, whole);
    }
  }

  TEST_CASE("drops trailers that only a head may carry") {
    for (const char* name : {"Content-Length",
                             "TRANSFER-ENCODING",
                             "host",
                             "Authorization",
                             "Content-Type",
                             "Connection",
                             "Mcp-Session-Id",
                             "mcp-anything",
                             "X-Forwarded-For",
                             "Cookie",
                             "Set-Cookie",
                             "Cache-Control",
                             "Trailer",
                             "TE",
                             "Upgrade",
                             "Keep-Alive",
                             "Proxy-Authorization",
                             "WWW-Authenticate",
                             "Expect",
                             "If-Match",
                             "Range",
                             "Date",
                             "Location",
                             "X-Real-IP"}) {
      const std::string bytes = "0\r\nA: b\r\n"s + name + ": 5\r\nC: d\r\n\r\nrest";
      CAPTURE(name);
      check_all_splits(bytes, Outcome{"", "A: b\r\nC: d\r\n", "", bytes.size() - 4, true});
    }
  }

  TEST_CASE("bounds the chunk extensions of a whole message") {
    const auto with_extensions = [](std::size_t bytes) {
      const std::string half(bytes / 2, 'x');
      return "1;" + half + "\r\na\r\n0;" + half + "\r\n\r\n";
    };
    CHECK(decode_whole(with_extensions(mcplb::limits::chunk_extension_bytes_max)).done);
    const auto refused =
        decode_whole(with_extensions(mcplb::limits::chunk_extension_bytes_max + 2));
    CHECK(refused.rule == "too many bytes of chunk extensions");
  }

  TEST_CASE("bounds the trailers of a message, dropped ones included") {
    std::string lines;
    while (lines.size() <= mcplb::limits::trailer_bytes_max)
      lines += "Content-Type: x\r\n";
    const std::string bytes = "0\r\n" + lines + "\r\n";
    for (const std::size_t piece : {std::size_t{1}, std::size_t{100}, bytes.size()}) {
      CHECK(decode(bytes, piece, piece).rule == "trailers too large");
    }
    CHECK(decode_whole("0\r\nX: " + std::string(8000, 'y') + "\r\n\r\n").done);
    CHECK(decode_whole("0\r\nX: " + std::string(9000, 'y')).rule == "trailers too large");
  }

  TEST_CASE("takes the largest size without losing count") {
    const Outcome outcome = decode_whole("ffffffffffffffff\r\n" + std::string(100, 'a'));
    CHECK(outcome.rule == "");
    CHECK_FALSE(outcome.done);
    CHECK(outcome.content == std::string(100, 'a'));
  }

  TEST_CASE("moves the content of several chunks together within the given bytes") {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, Error::Side::client);
    std::string bytes = "3\r\nabc\r\n2\r\nde\r\n1\r\nf";
    auto step = decoder.decode(bytes.data(), bytes.size());
    REQUIRE(step);
    CHECK(step->content == "abcdef");
    CHECK(step->content.data() == bytes.data() + 3);
  }
}
