#include "demo/modern.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "demo/demo_server.hpp"
#include "unit/demo/asked.hpp"

namespace mcplb::demo {
namespace {

struct Sent {
  std::string method;
  std::string params;  // further members, each with a comma behind
  std::string fields = "MCP-Protocol-Version: 2026-07-28\r\n";
  std::string version = "2026-07-28";
  std::string capabilities = "{}";
};

struct Fixture {
  net::Loop loop{limits::buffer_block_bytes};
  DemoServer server{loop, "replica-7"};

  test::Asked ask(const Sent& sent) {
    const std::string meta = R"("_meta":{"io.modelcontextprotocol/protocolVersion":")" +
                             sent.version + R"(","io.modelcontextprotocol/clientCapabilities":)" +
                             sent.capabilities + "}";
    const std::string head = "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\n" +
                             sent.fields + "Mcp-Method: " + sent.method + "\r\n";
    return test::Asked(loop, server, head,
                       R"({"jsonrpc":"2.0","id":3,"method":")" + sent.method + R"(","params":{)" +
                           sent.params + meta + "}}");
  }
  test::Asked call(const std::string& tool, Sent sent = {}) {
    sent.method = "tools/call";
    sent.fields += "Mcp-Name: " + tool + "\r\n";
    sent.params = R"("name":")" + tool + "\"," + sent.params;
    return ask(sent);
  }
};

TEST_SUITE("demo/modern") {
  TEST_CASE("server/discover names the versions and may be cached") {
    Fixture fixture;
    auto discovered = fixture.ask({"server/discover", ""});
    CHECK(discovered.status() == 200);
    CHECK(discovered.has_sent(R"("supportedVersions":["2026-07-28",)"));
    CHECK(discovered.has_sent(R"("resultType":"complete")"));
    CHECK(discovered.has_sent(R"("cacheScope":"public")"));
    CHECK(discovered.field("Mcp-Session-Id").empty());
  }

  TEST_CASE("tools are called without a session") {
    Fixture fixture;
    CHECK(fixture.call("whoami").has_sent(R"("replica":"replica-7","calls":0)"));
    auto listed = fixture.ask({"tools/list", ""});
    CHECK(listed.has_sent(R"("name":"ask")"));
    CHECK_FALSE(listed.has_sent(R"("name":"notify")"));
  }

  TEST_CASE("a header that contradicts the body gets 400 with -32020") {
    Fixture fixture;
    auto version = fixture.ask({"tools/list", "", "MCP-Protocol-Version: 2027-01-01\r\n"});
    CHECK(version.status() == 400);
    CHECK(version.has_sent("-32020"));
    auto name = fixture.ask({"tools/call", R"("name":"echo",)",
                             "MCP-Protocol-Version: 2026-07-28\r\nMcp-Name: whoami\r\n"});
    CHECK(name.has_sent("-32020"));
  }

  TEST_CASE("the name may be mirrored in base64") {
    Fixture fixture;
    auto called = fixture.ask({"tools/call", R"("name":"whoami",)",
                               "MCP-Protocol-Version: 2026-07-28\r\n"
                               "Mcp-Name: =?base64?d2hvYW1p?=\r\n"});
    CHECK(called.status() == 200);
  }

  TEST_CASE("an unknown version gets 400 with -32022 and the versions there are") {
    Fixture fixture;
    auto refused =
        fixture.ask({"tools/list", "", "MCP-Protocol-Version: 2030-01-01\r\n", "2030-01-01"});
    CHECK(refused.status() == 400);
    CHECK(refused.has_sent(R"("code":-32022)"));
    CHECK(refused.has_sent(R"("requested":"2030-01-01")"));
  }

  TEST_CASE("an unknown method gets 404 with -32601") {
    Fixture fixture;
    auto refused = fixture.ask({"ping", ""});
    CHECK(refused.status() == 404);
    CHECK(refused.has_sent(R"("id":3,"error":{"code":-32601)"));
  }

  TEST_CASE("GET and DELETE get 405, also with a stray session header") {
    Fixture fixture;
    for (const char* method : {"GET", "DELETE"}) {
      const std::string line = std::string(method) + " /mcp HTTP/1.1\r\n";
      test::Asked bare(fixture.loop, fixture.server, line);
      CHECK(bare.status() == 405);
      CHECK(bare.field("Allow") == "POST");
      test::Asked stray(fixture.loop, fixture.server,
                        line + "MCP-Protocol-Version: 2026-07-28\r\nMcp-Session-Id: x\r\n");
      CHECK(stray.status() == 405);
    }
  }

  TEST_CASE("ask wants the capability, then the input, and then it is done") {
    Fixture fixture;
    auto refused = fixture.call("ask");
    CHECK(refused.status() == 400);
    CHECK(refused.has_sent("-32021"));
    Sent able;
    able.capabilities = R"({"elicitation":{}})";
    CHECK(fixture.call("ask", able).has_sent(R"("resultType":"input_required")"));
    able.params = R"("inputResponses":{"answer":{"action":"accept"}},)";
    auto done = fixture.call("ask", able);
    CHECK(done.has_sent(R"(the client answered {\"action\":\"accept\"})"));
    CHECK(done.has_sent(R"("resultType":"complete")"));
  }
}

}  // namespace
}  // namespace mcplb::demo
