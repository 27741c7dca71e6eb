#include "mcp/jsonrpc.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

namespace mcplb::mcp {
namespace {

using Shape = Document::Shape;

// Fills the room behind the body as a reused buffer would: with bytes that mean something.
std::string padded(std::string_view text, char filling = '}') {
  std::string body(text.size() + Classifier::padding_bytes, filling);
  body.replace(0, text.size(), text);
  body.resize(text.size());
  return body;
}

class Reading {
 public:
  explicit Reading(std::string_view text, char filling = '}')
      : body_(padded(text, filling)),
        document_(reader_.read(body_)) {}
  const Document* operator->() const { return &document_; }
  const Envelope& envelope() const { return document_.envelope; }

 private:
  std::string body_;
  EnvelopeReader reader_;
  const Document& document_;
};

}  // namespace

TEST_SUITE("mcp/jsonrpc") {
  TEST_CASE("reads the envelope in whatever order its keys come") {
    const std::string_view texts[] = {
        R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"book",)"
        R"("arguments":{"name":"x","_meta":{}}}})",
        R"({"params":{"arguments":{"method":"no","id":[1]},"name":"book"},"method":"tools/call",)"
        R"("id":7,"jsonrpc":"2.0"})",
        " \r\n\t{ \"id\" : 7 , \"extra\" : [[{}],null] , \"method\" : \"tools/call\" , "
        "\"params\" : { \"name\" : \"book\" } , \"jsonrpc\" : \"2.0\" } \n",
    };
    for (const std::string_view text : texts) {
      CAPTURE(text);
      const Reading reading(text);
      CHECK(reading->shape == Shape::single);
      CHECK(!reading->has_trailing);
      CHECK(reading.envelope().method == "tools/call");
      CHECK(reading.envelope().name == "book");
      CHECK(reading.envelope().id_json == "7");
      CHECK(!reading.envelope().repeats_a_key);
    }
  }

  TEST_CASE("keys and names are compared unescaped") {
    const Reading reading(R"({"\u006asonrpc":"2.0","i\u0064":"a\n\u00e9","m\u0065thod":)"
                          R"("tools\/call","params":{"na\u006de":"b\u00f6\"k","\u005fmeta":)"
                          R"({"io.modelcontextprotocol\/protocolVersion":"2026-07-28"}}})");
    CHECK(reading->shape == Shape::single);
    CHECK(reading.envelope().method == "tools/call");
    CHECK(reading.envelope().name == "bö\"k");
    CHECK(reading.envelope().id_json == R"("a\n\u00e9")");
    CHECK(reading.envelope().claim == "2026-07-28");
  }

  TEST_CASE("an id is echoed only when it is a sound string or integer of bounded length") {
    struct Row {
      std::string id;
      std::string id_json;
    };
    const std::string longest(limits::request_id_bytes_max - 2, 'x');
    const Row rows[] = {
        {"0", "0"},
        {"-12", "-12"},
        {"98765432109876543210987654321", "98765432109876543210987654321"},
        {"\"\"", "\"\""},
        {"\"a\\u0041\"  ", "\"a\\u0041\""},
        {'"' + longest + '"', '"' + longest + '"'},
        {'"' + longest + "x\"", ""},
        {"1.5", ""},
        {"1e3", ""},
        {"01", ""},
        {"-", ""},
        {"7abc", ""},
        {"null", ""},
        {"true", ""},
        {"{\"a\":1}", ""},
        {"[1]", ""},
        {"\"\\q\"", ""},
    };
    for (const Row& row : rows) {
      CAPTURE(row.id);
      const Reading reading(R"({"jsonrpc":"2.0","id":)" + row.id + R"(,"method":"ping"})");
      CHECK(reading->shape == Shape::single);
      CHECK(reading.envelope().has_id);
      CHECK(reading.envelope().id_json == row.id_json);
      CHECK(reading.envelope().method == "ping");
    }
  }

  TEST_CASE("tells JSON-RPC from other bodies") {
    for (const std::string_view text : {"",
                                        "   ",
                                        "{",
                                        "}",
                                        "[",
                                        "null",
                                        "7",
                                        "\"jsonrpc\"",
                                        "{}",
                                        "{\"a\":1}",
                                        "[1,2]",
                                        "[{}]",
                                        "grant_type=authorization_code&code=x",
                                        "{\"params\":{\"jsonrpc\":\"2.0\"}}",
                                        "\xef\xbb\xbf{\"jsonrpc\":\"2.0\"}",
                                        "{\"jsonrpc\":\"2.0\"",
                                        "{\"jsonrpc\"}",
                                        "{\"jsonrpc\":\"2.0\",}",
                                        "{\"jsonrpc\":\"2.0\" \"id\":1}",
                                        "{jsonrpc:1}",
                                        "[{\"jsonrpc\":\"2.0\"}",
                                        "[{\"jsonrpc\":\"2.0\"},]x",
                                        "{\"jsonrpc\":\"2.0\",\"a\":\"}",
                                        "{\"jsonrpc\":\"\xff\"}",
                                        "{\"jsonrpc\":\"2.0\",\"params\":{}"}) {
      for (const char filling : {'}', ']', ',', '"', '{', '\0', ' '}) {
        CAPTURE(text);
        CAPTURE(filling);
        CHECK(Reading(text, filling)->shape == Shape::other);
      }
    }
  }

  TEST_CASE("notices keys that occur twice, escaped or not") {
    for (const std::string_view text : {
             R"({"jsonrpc":"2.0","jsonrpc":"2.0"})",
             R"({"jsonrpc":"2.0","id":1,"id":1})",
             R"({"jsonrpc":"2.0","method":"a","method":"b"})",
             R"({"jsonrpc":"2.0","method":"a","\u006dethod":"b"})",
             R"({"jsonrpc":"2.0","params":{},"params":[]})",
             R"({"jsonrpc":"2.0","result":{},"result":{}})",
             R"({"jsonrpc":"2.0","error":{},"error":{}})",
             R"({"jsonrpc":"2.0","params":{"name":"a","name":"a"}})",
             R"({"jsonrpc":"2.0","params":{"uri":1,"uri":"a"}})",
             R"({"jsonrpc":"2.0","params":{"taskId":"a","taskId":"a"}})",
             R"({"jsonrpc":"2.0","params":{"_meta":{},"_meta":{}}})",
             R"({"jsonrpc":"2.0","params":{"_meta":{"x":{}},"_meta":[]}})",
         }) {
      CAPTURE(text);
      CHECK(Reading(text).envelope().repeats_a_key);
    }
    const Reading claims(
        R"({"jsonrpc":"2.0","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":1,)"
        R"("io.modelcontextprotocol/protocolVersion":"2026-07-28"}}})");
    CHECK(claims.envelope().repeats_a_key);
    const Reading elsewhere(R"({"jsonrpc":"2.0","x":1,"x":2,"params":{"arguments":{"a":1,"a":2},)"
                            R"("y":1,"y":2,"id":1,"_meta":{"z":1,"z":2}},"id":1})");
    CHECK(elsewhere->shape == Shape::single);
    CHECK(!elsewhere.envelope().repeats_a_key);
  }

  TEST_CASE("sees what follows the first document, whether or not it is JSON") {
    const std::string message = R"({"jsonrpc":"2.0","id":1,"method":"a]}\"{","params":[{}]})";
    for (const std::string_view tail :
         {"x", "{}", "}", "]", "\"", "\"open", ",", "[1]", " 1", "\xff", "\n{\"a\":}"}) {
      CAPTURE(tail);
      for (const std::string& first : {message, "[" + message + "]", std::string("[]")}) {
        const Reading reading(first + std::string(tail));
        CHECK(reading->shape != Shape::other);
        CHECK(reading->has_trailing);
      }
    }
    CHECK(Reading(message + std::string(1, '\0'))->has_trailing);
    CHECK(!Reading(message + " \r\n\t ")->has_trailing);
    CHECK(Reading("{\"a\":1}x")->shape == Shape::other);
  }

  TEST_CASE("malformed envelopes are read as far as they go") {
    const Reading reading(R"({"jsonrpc":2,"id":1,"method":["x"],"params":"name"})");
    CHECK(reading->shape == Shape::single);
    CHECK(reading.envelope().has_method);
    CHECK(reading.envelope().method.empty());

    const Reading odd(R"({"jsonrpc":null,"params":{"name":{"uri":"u"},"uri":null,"_meta":[]}})");
    CHECK(odd->shape == Shape::single);
    CHECK(odd.envelope().name.empty());
    CHECK(odd.envelope().uri.empty());
    CHECK(!odd.envelope().has_claim);
  }

  TEST_CASE("sums up the elements of a batch") {
    const Reading reading(R"([{"jsonrpc":"2.0","id":1,"method":"ping"},)"
                          R"({"jsonrpc":"2.0","method":"notifications/cancelled"}])");
    CHECK(reading->shape == Shape::batch);
    CHECK(reading->batch.elements == 2);
    CHECK(reading->batch.repeatable);

    for (const std::string_view other :
         {R"({"jsonrpc":"2.0","id":1,"method":"tools/call"})",
          R"({"jsonrpc":"2.0","id":1,"result":{}})", "7", "[]", "{}", R"([{"jsonrpc":"2.0"}])"}) {
      CAPTURE(other);
      const Reading mixed("[" + std::string(other) + R"(,{"jsonrpc":"2.0","method":"ping"}])");
      CHECK(mixed->shape == Shape::batch);
      CHECK(mixed->batch.elements == 2);
      CHECK(!mixed->batch.repeatable);
    }
    CHECK(Reading(" [ ] ")->shape == Shape::batch);
    CHECK(Reading("[]")->batch.elements == 0);
  }

  TEST_CASE("one reader takes bodies of any size after each other") {
    EnvelopeReader reader;
    for (const std::size_t size : {10U, 5'000U, 3'000'000U, 20U, 70'000U, 1'100'000U, 0U}) {
      const std::string body =
          padded(R"({"params":{"arguments":{"a":")" + std::string(size, 'x') +
                 R"(","b":[[[[]]]]},"name":"n\u0041"},"jsonrpc":"2.0","method":"tools/call"})");
      const Document& document = reader.read(body);
      CHECK(document.shape == Shape::single);
      CHECK(document.envelope.name == "nA");
      CHECK(document.envelope.method == "tools/call");
      reader.shrink();
    }
  }

  TEST_CASE("nesting beyond any bound is stepped over") {
    const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
    const Reading reading(R"({"jsonrpc":"2.0","params":{"arguments":)" + deep +
                          R"(,"name":"x"},"method":"tools/call"})");
    CHECK(reading->shape == Shape::single);
    CHECK(reading.envelope().name == "x");
  }
}

}  // namespace mcplb::mcp
