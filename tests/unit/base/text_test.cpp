#include "mcplb/base/text.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace mcplb;

namespace {

bool every_byte_has_its_case(std::size_t size, std::size_t at) {
  std::string one(size, 'q');
  std::string other(size, 'Q');
  for (int a = 0; a < 256; ++a) {
    one[at] = static_cast<char>(a);
    for (const int b : {a, a ^ 0x20, a ^ 0x80, (a + 1) & 0xff}) {
      other[at] = static_cast<char>(b);
      const bool same = ascii_lower(one[at]) == ascii_lower(other[at]);
      if (equals_ignoring_case(one, other) != same) return false;
    }
  }
  return true;
}

}  // namespace

TEST_SUITE("base/text") {
  TEST_CASE("a token is made of the characters of RFC 9110 and nothing else") {
    CHECK(is_token("Mcp-Session-Id"));
    CHECK(is_token("!#$%&'*+-.^_`|~09azAZ"));
    CHECK_FALSE(is_token(""));
    for (const char c : std::string_view("()<>@,;:\\\"/[]?={} \t\r\n\x7f\x80\xff")) {
      CAPTURE(static_cast<int>(c));
      CHECK_FALSE(is_token_char(c));
    }
    CHECK_FALSE(is_token_char('\0'));
  }

  TEST_CASE("case is ignored for ASCII letters only") {
    CHECK(equals_ignoring_case("Content-Length", "cONTENT-lENGTH"));
    CHECK_FALSE(equals_ignoring_case("a", "ab"));
    CHECK_FALSE(equals_ignoring_case("[", "{"));
    CHECK_FALSE(equals_ignoring_case("\xc4", "\xe4"));
  }

  TEST_CASE("every byte at every place of every length has the case of ASCII letters only") {
    for (std::size_t size = 1; size <= 20; ++size) {
      for (std::size_t at = 0; at < size; ++at) CHECK(every_byte_has_its_case(size, at));
    }
  }

  TEST_CASE("a prefix longer than the text is no prefix") {
    CHECK(starts_with_ignoring_case("Bearer abc", "bearer "));
    CHECK(starts_with_ignoring_case("abc", ""));
    CHECK_FALSE(starts_with_ignoring_case("Bear", "bearer"));
  }

  TEST_CASE("trimmed() takes spaces and tabs off both ends and nothing else") {
    CHECK(trimmed(" \t a b\t ") == "a b");
    CHECK(trimmed("\ra\n") == "\ra\n");
    CHECK(trimmed(" \t").empty());
    CHECK(trimmed("").empty());
  }

  TEST_CASE("a decimal has digits only and fits into 64 bits") {
    CHECK(parse_decimal("0") == 0);
    CHECK(parse_decimal("007") == 7);
    CHECK(parse_decimal("18446744073709551615") == ~std::uint64_t{0});
    for (const char* const text :
         {"", "-1", "+1", " 1", "1 ", "0x10", "1_0", "1.0", "18446744073709551616"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_decimal(text));
    }
  }

  TEST_CASE("what is escaped is printable ASCII without quotes and backslashes") {
    CHECK(escaped("plain text") == "plain text");
    CHECK(escaped("a\nb\"c\\d") == "a\\x0ab\\x22c\\x5cd");
    CHECK(escaped("\x7f\xff") == "\\x7f\\xff");
    CHECK(escaped(std::string_view("\0", 1)) == "\\x00");
  }

  TEST_CASE("a long text is cut with dots") {
    CHECK(escaped("abcdef", 6) == "abcdef");
    CHECK(escaped("abcdef", 5) == "abcde...");
  }

  TEST_CASE("visits the elements of a list, trimmed and without the empty ones") {
    const auto elements = [](std::string_view list) {
      std::vector<std::string> found;
      for_each_list_element(list, [&](std::string_view element) {
        found.emplace_back(element);
        return true;
      });
      return found;
    };
    CHECK(elements("a, b ,\tc") == std::vector<std::string>{"a", "b", "c"});
    CHECK(elements(",, a,,") == std::vector<std::string>{"a"});
    CHECK(elements("").empty());
    CHECK(elements(" , ").empty());
  }

  TEST_CASE("stops visiting when the visitor says so") {
    int visits = 0;
    for_each_list_element("a,b,c", [&](std::string_view element) {
      ++visits;
      return element != "b";
    });
    CHECK(visits == 2);
  }
}
