#include "mcplb/mcp/opening.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

using namespace mcplb;
using namespace mcplb::mcp;

namespace {

std::string reply_with(const std::string& result) {
  return R"({"jsonrpc":"2.0","id":1,"result":)" + result + "}";
}

std::string subscribe(const std::string& uri) {
  return R"({"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":")" + uri +
         R"("}})";
}

bool note_subscription(Journal& journal, const std::string& uri) {
  return journal_note(journal, Method::resources_subscribe, subscribe(uri));
}

}  // namespace

TEST_SUITE("mcp/opening result") {
  const std::string good = R"({"protocolVersion":"2025-06-18","capabilities":{"tools": {}}})";

  TEST_CASE("is read from JSON, wherever it stands") {
    const auto read = read_initialize_result("application/json; charset=utf-8", reply_with(good));
    REQUIRE(read);
    CHECK(read->protocol == "2025-06-18");
    CHECK(read->capabilities == R"({"tools":{}})");
    CHECK(read_initialize_result("", "[" + reply_with(good) + "]"));
  }

  TEST_CASE("is read from an event stream, behind whatever comes first") {
    const std::string stream = "id: 1\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n"
                               "event: message\r\ndata: " + reply_with(good) + "\r\n\r\n";
    const auto read = read_initialize_result("text/event-stream", stream);
    REQUIRE(read);
    CHECK(read->protocol == "2025-06-18");
    CHECK_FALSE(read_initialize_result("application/json", stream));
  }

  TEST_CASE("is nothing when no response carries one") {
    for (const char* body :
         {"", "{", "7", "[]", R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}})",
          R"({"jsonrpc":"2.0","result":{}})", R"({"jsonrpc":"2.0","id":1,"result":7})"}) {
      CAPTURE(body);
      CHECK_FALSE(read_initialize_result("application/json", body));
      CHECK_FALSE(read_initialize_result("text/event-stream", "data: " + std::string(body) +
                                                                  "\n\n"));
    }
  }

  TEST_CASE("says no more than it says") {
    const auto bare = read_initialize_result("", reply_with("{}"));
    REQUIRE(bare);
    CHECK(bare->protocol.empty());
    CHECK(bare->capabilities.empty());
    for (const char* revision : {R"("a\r\nb")", R"("a b")", "7",
                                 R"("0123456789012345678901234567890123456789")"}) {
      const auto odd = read_initialize_result(
          "", reply_with(R"({"protocolVersion":)" + std::string(revision) + "}"));
      REQUIRE(odd);
      CHECK(odd->protocol.empty());
    }
  }
}

TEST_SUITE("mcp/opening capabilities") {
  TEST_CASE("everything that is needed has to be offered, at any depth") {
    const std::string needed = R"({"tools":{"listChanged":true},"logging":{}})";
    CHECK(offers_no_less(needed, needed));
    CHECK(offers_no_less(R"({"logging":{},"x":1,"tools":{"listChanged":true,"y":{}}})", needed));
    CHECK_FALSE(offers_no_less(R"({"tools":{"listChanged":true}})", needed));
    CHECK_FALSE(offers_no_less(R"({"tools":{},"logging":{}})", needed));
    CHECK_FALSE(offers_no_less(R"({"tools":{"listChanged":false},"logging":{}})", needed));
    CHECK_FALSE(offers_no_less(R"({"tools":true,"logging":{}})", needed));
    CHECK_FALSE(offers_no_less(R"({"tools":{"listChanged":true},"logging":null})", needed));
  }

  TEST_CASE("what is declined is not needed") {
    CHECK(offers_no_less("{}", R"({"tools":false,"prompts":null})"));
    CHECK(offers_no_less(R"({"tools":{}})", R"({"tools":{"listChanged":false}})"));
  }

  TEST_CASE("doubt means no, unless nothing is needed") {
    CHECK(offers_no_less("", ""));
    CHECK(offers_no_less("", "{}"));
    CHECK_FALSE(offers_no_less("", R"({"tools":{}})"));
    CHECK_FALSE(offers_no_less("[]", R"({"tools":{}})"));
    CHECK_FALSE(offers_no_less("{}", "{"));
    CHECK_FALSE(offers_no_less("{}", "[]"));
  }
}

TEST_SUITE("mcp/opening journal") {
  TEST_CASE("keeps the last level") {
    Journal journal;
    const auto set = [&](const std::string& level) {
      return journal_note(journal, Method::logging_set_level,
                          R"({"method":"logging/setLevel","params":{ "level" : ")" + level +
                              R"("}})");
    };
    CHECK(set("info"));
    CHECK_FALSE(set("info"));
    CHECK(set("error"));
    CHECK(journal.set_level == R"({"level":"error"})");
  }

  TEST_CASE("keeps what is subscribed to, once, until it is taken back") {
    Journal journal;
    CHECK(note_subscription(journal, "file:///a"));
    CHECK_FALSE(note_subscription(journal, "file:///\\u0061"));
    CHECK(note_subscription(journal, "file:///b"));
    CHECK(journal_note(journal, Method::resources_unsubscribe, subscribe("file:///a")));
    CHECK_FALSE(journal_note(journal, Method::resources_unsubscribe, subscribe("file:///a")));
    CHECK(journal.subscriptions == std::vector<std::string>{"file:///b"});
  }

  TEST_CASE("other methods and bodies that make no sense change nothing") {
    Journal journal;
    CHECK_FALSE(journal_note(journal, Method::tools_call, subscribe("file:///a")));
    for (const char* body : {"", "[", "7", "[]", R"({"params":7})", R"({"params":{"uri":7}})",
                             R"({"params":{"uri":""}})"}) {
      CHECK_FALSE(journal_note(journal, Method::resources_subscribe, body));
      CHECK_FALSE(journal_note(journal, Method::resources_unsubscribe, body));
    }
    CHECK_FALSE(journal_note(journal, Method::logging_set_level, R"({"params":7})"));
    CHECK(journal.empty());
  }

  TEST_CASE("what is beyond its bounds is not kept, and counted") {
    const std::uint64_t hits = limit_hits(Limit::session_journal);
    Journal many;
    for (std::size_t i = 0; i < limits::session_subscriptions_max; ++i)
      CHECK(note_subscription(many, std::to_string(i)));
    CHECK_FALSE(note_subscription(many, "more"));
    Journal large;
    CHECK(note_subscription(large, std::string(limits::session_journal_bytes_max - 10, 'x')));
    CHECK_FALSE(note_subscription(large, "file:///abc"));
    CHECK_FALSE(journal_note(large, Method::logging_set_level, R"({"params":{"level":"info"}})"));
    CHECK(limit_hits(Limit::session_journal) == hits + 3);
  }
}
