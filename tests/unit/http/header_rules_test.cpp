#include "mcplb/http/header_rules.hpp"

#include <initializer_list>

#include <doctest/doctest.h>

using mcplb::http::Field;
using mcplb::http::Fields;
using mcplb::http::HopByHop;
using mcplb::http::name_of;

namespace {

Fields with_connection(std::initializer_list<const char*> values) {
  Fields fields;
  fields.add("Host", "a");
  for (const char* value : values)
    fields.add("Connection", value);
  return fields;
}

bool covers(const Fields& fields, const char* name) {
  return HopByHop(fields).covers(Field{name_of(name), false, name, "x"});
}

}  // namespace

TEST_SUITE("http/header_rules") {
  TEST_CASE("covers the fixed set without any Connection") {
    const Fields fields;
    for (const char* name :
         {"Connection", "keep-alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding",
          "Upgrade", "Proxy-Authorization", "Proxy-Authenticate"}) {
      CAPTURE(name);
      CHECK(covers(fields, name));
    }
    for (const char* name : {"Host", "Content-Length", "Authorization", "X-Hop", "close"}) {
      CAPTURE(name);
      CHECK_FALSE(covers(fields, name));
    }
  }

  TEST_CASE("covers what Connection names, in any case and on any of its lines") {
    const Fields fields = with_connection({"keep-alive", "close, X-Hop", " ,x-other , "});
    CHECK(covers(fields, "x-hop"));
    CHECK(covers(fields, "X-Other"));
    CHECK_FALSE(covers(fields, "X-Hop2"));
    CHECK_FALSE(covers(fields, "Host"));
  }

  TEST_CASE("finds a nomination of an end-to-end field") {
    for (const char* value :
         {"Host", "close, authorization", "Content-Length", "content-type", "Mcp-Session-Id",
          "mcp-x", "X-Forwarded-For", "X-Forwarded-New", "Cookie", "x-real-ip"}) {
      CAPTURE(value);
      CHECK(nominates_end_to_end_field(with_connection({value})));
      CHECK(nominates_end_to_end_field(with_connection({"X-Hop", value})));
    }
    for (const char* value : {"close", "keep-alive, Upgrade, HTTP2-Settings", "TE", "X-Hop", ""}) {
      CAPTURE(value);
      CHECK_FALSE(nominates_end_to_end_field(with_connection({value})));
    }
    CHECK_FALSE(nominates_end_to_end_field(Fields{}));
  }
}
