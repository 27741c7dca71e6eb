#include "mcplb/mcp/response.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace mcplb::mcp;

TEST_SUITE("mcp/response") {
  TEST_CASE("finds the response that carries the id, in any order of its keys") {
    const auto found = find_response(R"({"result":{"id":"x"},"id":"abc","jsonrpc":"2.0"})", "abc");
    REQUIRE(found);
    CHECK_FALSE(found->is_error);
    CHECK_FALSE(found->id_is_null);
    CHECK(find_response(R"({"jsonrpc":"2.0","id":"\u0061bc","result":null})", "abc"));
  }

  TEST_CASE("reads an error's code and message, and does without them") {
    const auto found = find_response(
        R"({"jsonrpc":"2.0","id":"abc","error":{"data":1,"message":"no","code":-32601}})", "abc");
    REQUIRE(found);
    CHECK(found->is_error);
    CHECK(found->code == -32601);
    CHECK(found->message == "no");
    for (const char* error : {"{}", "\"no\"", "null", R"({"code":1.5,"message":[]})"}) {
      CAPTURE(error);
      const auto bare =
          find_response(std::string(R"({"jsonrpc":"2.0","id":"abc","error":)") + error + "}", "abc");
      REQUIRE(bare);
      CHECK(bare->is_error);
      CHECK(bare->code == 0);
      CHECK(bare->message.empty());
    }
  }

  TEST_CASE("an error without a request's id counts unless the response is there too") {
    const std::string null_error =
        R"({"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}})";
    const auto alone = find_response(null_error, "abc");
    REQUIRE(alone);
    CHECK(alone->id_is_null);
    CHECK(alone->is_error);
    const auto both = find_response(
        "[" + null_error + R"(,3,{"jsonrpc":"2.0","id":"abc","result":{}}])", "abc");
    REQUIRE(both);
    CHECK_FALSE(both->id_is_null);
    CHECK_FALSE(find_response(R"({"jsonrpc":"2.0","id":null,"result":{}})", "abc"));
  }

  TEST_CASE("finds nothing in anything else") {
    for (const char* json :
         {"", "{", "3", "null", "[]", "[[{\"jsonrpc\":\"2.0\",\"id\":\"abc\",\"result\":{}}]]",
          R"({"jsonrpc":"2.0","id":"abc"})", R"({"jsonrpc":"2.0","id":"abc","method":"ping"})",
          R"({"jsonrpc":"2.0","id":"abc","method":"ping","result":{}})",
          R"({"jsonrpc":"1.0","id":"abc","result":{}})", R"({"id":"abc","result":{}})",
          R"({"jsonrpc":"2.0","result":{}})", R"({"jsonrpc":"2.0","id":"abd","result":{}})",
          R"({"jsonrpc":"2.0","id":["abc"],"result":{}})",
          R"({"jsonrpc":"2.0","id":"abc","result":{},"result":{}})",
          R"({"jsonrpc":"2.0","id":"x","id":"abc","result":{}})",
          R"({"jsonrpc":"2.0","id":"abc","result":{}} {})",
          R"({"jsonrpc":"2.0","id":"abc","result":{},"error":{}})"}) {
      CAPTURE(json);
      CHECK_FALSE(find_response(json, "abc"));
    }
    CHECK_FALSE(find_response(std::string(60000, '['), "abc"));
  }

  TEST_CASE("a result tells the protocol version that it names, if it is a text") {
    const auto version = [](const std::string& result) {
      const auto found = find_response(R"({"jsonrpc":"2.0","id":"i","result":)" + result + "}", "i");
      REQUIRE(found);
      return found->protocol_version;
    };
    CHECK(version(R"({"protocolVersion":"2025-06-18","capabilities":{}})") == "2025-06-18");
    CHECK(version(R"({"protocolVersion":7})").empty());
    CHECK(version("{}").empty());
    CHECK(version("[]").empty());
    CHECK(version("null").empty());
  }
}
