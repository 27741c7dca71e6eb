#include "mcplb/http/head.hpp"

#include <set>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/text.hpp"

using mcplb::http::Fields;
using mcplb::http::Name;
using mcplb::http::name_of;

namespace {

const char* const known[] = {"Accept",
                             "Accept-Encoding",
                             "Authorization",
                             "Connection",
                             "Content-Encoding",
                             "Content-Length",
                             "Content-Type",
                             "Cookie",
                             "Date",
                             "Expect",
                             "Host",
                             "Keep-Alive",
                             "Last-Event-ID",
                             "Mcp-Method",
                             "Mcp-Name",
                             "Mcp-Protocol-Version",
                             "Mcp-Session-Id",
                             "Proxy-Authenticate",
                             "Proxy-Authorization",
                             "Proxy-Connection",
                             "TE",
                             "traceparent",
                             "tracestate",
                             "Trailer",
                             "Transfer-Encoding",
                             "Upgrade",
                             "X-Forwarded-For",
                             "X-Forwarded-Host",
                             "X-Forwarded-Proto",
                             "X-Real-IP",
                             "X-Request-Id"};

}  // namespace

TEST_SUITE("http/head") {
  TEST_CASE("knows every name of the enumeration, in any case") {
    std::set<Name> seen;
    for (const std::string name : known) {
      CAPTURE(name);
      const Name id = name_of(name);
      CHECK(id != Name::other);
      CHECK(name_of(mcplb::to_lower(name)) == id);
      std::string upper = name;
      for (char& c : upper)
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
      CHECK(name_of(upper) == id);
      seen.insert(id);
    }
    CHECK(seen.size() + 1 == static_cast<std::size_t>(Name::count_));
  }

  TEST_CASE("takes no similar name for a known one") {
    for (const std::string name : known) {
      CAPTURE(name);
      CHECK(name_of(name + "x") == Name::other);
      CHECK(name_of(name.substr(1)) == Name::other);
      CHECK(name_of(name.substr(0, name.size() - 1)) == Name::other);
      for (std::size_t i = 0; i < name.size(); ++i) {
        for (const char c : {'_', ' ', '\0', '\xe1', static_cast<char>(name[i] ^ 0x40)}) {
          std::string changed = name;
          changed[i] = c;
          CHECK(name_of(changed) == Name::other);
        }
      }
    }
    CHECK(name_of("") == Name::other);
    CHECK(name_of(std::string(1000, 'a')) == Name::other);
  }

  TEST_CASE("finds the first field of a name and counts all") {
    Fields fields;
    fields.add("Accept", "a");
    fields.add("X-Own", "1");
    fields.add("ACCEPT", "b");
    CHECK(fields.has(Name::accept));
    CHECK_FALSE(fields.has(Name::host));
    CHECK(fields.get(Name::accept) == "a");
    CHECK(fields.get(Name::host).empty());
    CHECK(fields.get("x-own") == "1");
    CHECK(fields.count(Name::accept) == 2);
    CHECK(fields.count(Name::host) == 0);
    fields.clear();
    CHECK_FALSE(fields.has(Name::accept));
    CHECK(fields.size() == 0);
  }
}
