#include "mcp/headers.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {

TEST_SUITE("mcp/headers") {
  TEST_CASE("every parameter that a server may take for the session is counted") {
    CHECK(count_endpoint_sessions("") == 0);
    CHECK(count_endpoint_sessions("sessionId=a") == 1);
    CHECK(count_endpoint_sessions("x=1&session_id&sessionId=a") == 2);
    for (const char* key : {"sessionId[]", "sessionId[0]", "session%49d", "%73ession_id",
                            "session%5fid", "session%5Fid", "sessionId%5b%5D", "sessionId%5B0]"}) {
      CAPTURE(key);
      CHECK(count_endpoint_sessions(std::string("a=b&") + key + "=x&c") == 1);
    }
    for (const char* key : {"sessionid", "SESSIONID", "sessionIds", "xsessionId", "session", "",
                            "session%ZZid", "session%5", "session%", "sessionId%5"}) {
      CAPTURE(key);
      CHECK(count_endpoint_sessions(std::string("a=sessionId&") + key + "=x") == 0);
    }
  }

  TEST_CASE("a base64 sentinel is decoded") {
    struct Row {
      std::string_view value;
      std::string_view decoded;
    };
    const Row rows[] = {
        {"=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界"},
        {"=?base64?IHBhZGRlZCA=?=", " padded "},
        {"=?base64?bGluZTEKbGluZTI=?=", "line1\nline2"},
        {"=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="},
        {"=?base64?ZmlsZTovLy9kb2Mvw6kudHh0?=", "file:///doc/é.txt"},
        {"=?base64?+/+/?=", "\xfb\xff\xbf"},
        // In two pieces, because C++ compilers warn of the trigraph in the middle.
        {"=?base64?"
         "?=",
         ""},
    };
    for (const Row& row : rows) {
      CAPTURE(row.value);
      const auto decoded = decode_mirrored(row.value);
      REQUIRE(decoded);
      CHECK(*decoded == row.decoded);
    }
  }

  TEST_CASE("a value that is not of the sentinel's form is literal") {
    for (const std::string_view value :
         {"us west 1", "", "=?base64?SGk=", "SGk=?=", "=?BASE64?SGk=?=", "=?base64?=", "true",
          "=?base64", "?="}) {
      CAPTURE(value);
      const auto decoded = decode_mirrored(value);
      REQUIRE(decoded);
      CHECK(*decoded == value);
    }
  }

  TEST_CASE("a sentinel that no encoder writes is refused") {
    for (const std::string_view value :
         {"=?base64?SGk?=", "=?base64?SGk==?=", "=?base64?S?=", "=?base64?====?=",
          "=?base64?SG-_?=", "=?base64?SG k?=", "=?base64?SGl=?=", "=?base64?SG==SGk=?=",
          "=?base64?=?=", "=?base64?SGk=SGk=?="}) {
      CAPTURE(value);
      CHECK(!decode_mirrored(value));
    }
  }

  TEST_CASE("every byte value survives the sentinel, whatever stands beside it") {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned byte = 0; byte < 256; ++byte) {
      const std::string encoded{digits[byte >> 2], digits[(byte & 3) << 4], '=', '='};
      const auto decoded = decode_mirrored("=?base64?" + encoded + "?=");
      REQUIRE(decoded);
      CHECK(*decoded == std::string(1, static_cast<char>(byte)));
    }
  }

  TEST_CASE("session ids are visible ASCII and not empty") {
    CHECK(is_session_id("7f3c9a"));
    CHECK(is_session_id("!~"));
    CHECK(is_session_id("a,b;c=\"d\""));
    CHECK(is_session_id(std::string(100'000, 'x')));
    CHECK(!is_session_id(""));
    CHECK(!is_session_id("a b"));
    CHECK(!is_session_id("a\x7f"));
    CHECK(!is_session_id("a\x1f"));
    CHECK(!is_session_id("s\xc3\xa9"));
    CHECK(!is_session_id(std::string_view("a\0", 2)));
  }

  TEST_CASE("the session of an announced URL is found in its query") {
    struct Row {
      std::string_view query;
      std::string_view session;
    };
    const Row rows[] = {
        {"sessionId=b1", "b1"},
        {"session_id=0123abcd", "0123abcd"},
        {"a=b&sessionId=b1&c", "b1"},
        {"sessionId=x%20y", "x%20y"},
        {"sessionId=a=b", "a=b"},
        {"session_id=1&sessionId=2", "1"},
        {"sessionId=&session_id=2", "2"},
        {"sessionId", ""},
        {"sessionId=", ""},
        {"sessionid=b1", ""},
        {"xsessionId=b1", ""},
        {"a=sessionId=b1", ""},
        {"&&", ""},
        {"", ""},
    };
    for (const Row& row : rows) {
      CAPTURE(row.query);
      CHECK(endpoint_session(row.query) == row.session);
    }
  }

  TEST_CASE("versions from 2026-07-28 on and texts that are no date are modern") {
    for (const std::string_view version :
         {"2026-07-28", "2026-07-29", "2031-01-01", "DRAFT-2026-v1", "2026-7-28", "draft", "1"}) {
      CAPTURE(version);
      CHECK(is_modern_version(version));
    }
    for (const std::string_view version :
         {"", "2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "1999-01-01"}) {
      CAPTURE(version);
      CHECK(!is_modern_version(version));
    }
  }
}

}  // namespace mcplb::mcp
