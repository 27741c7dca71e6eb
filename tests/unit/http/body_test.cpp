#include "mcplb/http/body.hpp"

#include <string>

#include <doctest/doctest.h>

using mcplb::Error;
using mcplb::http::BodyDecoder;
using mcplb::http::Framing;

namespace {

std::string decode(BodyDecoder& decoder, std::string bytes, std::size_t expected_consumed) {
  auto step = decoder.decode(bytes.data(), bytes.size());
  REQUIRE(step);
  CHECK(step->consumed == expected_consumed);
  return std::string(step->content);
}

}  // namespace

TEST_SUITE("http/body") {
  TEST_CASE("a message without a body is done at once and takes nothing") {
    BodyDecoder decoder;
    CHECK(decoder.done());
    decoder.start(Framing::none, 5, Error::Side::client);
    CHECK(decoder.done());
    CHECK(decode(decoder, "next", 0) == "");
    CHECK(decoder.end_of_input());
    CHECK(decoder.trailers().empty());
  }

  TEST_CASE("a body of length 0 is done at once") {
    BodyDecoder decoder;
    decoder.start(Framing::length, 0, Error::Side::client);
    CHECK(decoder.done());
    CHECK(decode(decoder, "next", 0) == "");
  }

  TEST_CASE("takes as many bytes as the length says and leaves the next message") {
    BodyDecoder decoder;
    decoder.start(Framing::length, 5, Error::Side::client);
    CHECK(decode(decoder, "he", 2) == "he");
    CHECK(decode(decoder, "", 0) == "");
    CHECK_FALSE(decoder.done());
    CHECK(decode(decoder, "lloGET /", 3) == "llo");
    CHECK(decoder.done());
    CHECK(decode(decoder, "GET /", 0) == "");
  }

  TEST_CASE("an end of input within a body is an error of its sender") {
    BodyDecoder decoder;
    decoder.start(Framing::length, 5, Error::Side::backend);
    const auto ended = decoder.end_of_input();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().kind == Error::Kind::closed);
    CHECK(ended.error().side == Error::Side::backend);
    decoder.start(Framing::chunked, 0, Error::Side::client);
    decode(decoder, "3\r\nabc\r\n", 8);
    REQUIRE_FALSE(decoder.end_of_input());
    CHECK(decoder.end_of_input().error().side == Error::Side::client);
  }

  TEST_CASE("a body without framing ends with the connection") {
    BodyDecoder decoder;
    decoder.start(Framing::until_close, 0, Error::Side::backend);
    CHECK(decode(decoder, "abc", 3) == "abc");
    CHECK_FALSE(decoder.done());
    CHECK(decoder.end_of_input());
    CHECK(decoder.done());
  }

  TEST_CASE("decodes message after message, whatever their framing") {
    BodyDecoder decoder;
    for (int round = 0; round < 3; ++round) {
      decoder.start(Framing::chunked, 0, Error::Side::client);
      CHECK(decode(decoder, "3\r\nabc\r\n0\r\nX: y\r\n\r\nGET", 19) == "abc");
      CHECK(decoder.done());
      CHECK(decoder.trailers() == "X: y\r\n");
      decoder.start(Framing::length, 2, Error::Side::client);
      CHECK(decoder.trailers().empty());
      CHECK(decode(decoder, "abc", 2) == "ab");
    }
  }

  TEST_CASE("a chunked body can be started again after an error") {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, Error::Side::client);
    std::string bytes = "zz\r\n";
    CHECK_FALSE(decoder.decode(bytes.data(), bytes.size()));
    CHECK_FALSE(decoder.done());
    decoder.start(Framing::chunked, 0, Error::Side::client);
    CHECK(decode(decoder, "1\r\na\r\n0\r\n\r\n", 11) == "a");
    CHECK(decoder.done());
  }
}
