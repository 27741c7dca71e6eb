#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

#include "unit/mcp/request.hpp"
#include "unit/mcp/wire_vectors.hpp"

namespace mcplb::mcp {
namespace {

constexpr std::string_view post = "POST /mcp HTTP/1.1\n";
constexpr std::string_view session = "Mcp-Session-Id: 7f3c9a\n";
constexpr std::string_view v_legacy = "MCP-Protocol-Version: 2025-06-18\n";
constexpr std::string_view v_modern = "MCP-Protocol-Version: 2026-07-28\n";
constexpr std::string_view ping = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
constexpr std::string_view answer = R"({"jsonrpc":"2.0","id":1,"result":{}})";

std::string text(std::initializer_list<std::string_view> parts) {
  std::string joined;
  for (const std::string_view part : parts)
    joined += part;
  return joined;
}

// A request with the claim of a protocol version and further params.
std::string claiming(std::string_view version, std::string_view method,
                     std::string_view params = "") {
  return text({R"({"jsonrpc":"2.0","id":1,"method":")", method, R"(","params":{)", params,
               R"("_meta":{"io.modelcontextprotocol/protocolVersion":)", version, "}}}"});
}

constexpr std::string_view modern = R"("2026-07-28")";

Verdict verdict_of(const Outcome& outcome) {
  if (outcome.accepted) return Verdict::accepted;
  return outcome.header_mismatch() ? Verdict::header_mismatch : Verdict::bad_request;
}

}  // namespace

TEST_SUITE("mcp/classify") {
  TEST_CASE("the wire examples of every revision are what they say") {
    for (const WireVector& vector : wire_vectors) {
      CAPTURE(vector.id);
      CAPTURE(vector.head);
      const Outcome outcome(vector.head, vector.body);
      CHECK(verdict_of(outcome) == vector.verdict);
      CHECK(outcome.message.era == vector.era);
      CHECK(outcome.message.kind == vector.kind);
      CHECK(outcome.message.method == vector.method);
      CHECK(outcome.message.name == vector.name);
      CHECK(outcome.message.id_json == vector.id_json);
      CHECK(outcome.message.session == vector.session);
    }
  }

  TEST_CASE("what _meta says of a trace is taken as it is, within a bound") {
    const std::string trace = R"("traceparent":"00-1-2-01","tracestate":"a\u003d1")";
    const std::string before = R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{)";
    const Outcome taken(text({post, v_legacy, session}), before + trace + "}}}");
    CHECK(taken.accepted);
    CHECK(taken.message.traceparent == "00-1-2-01");
    CHECK(taken.message.tracestate == "a=1");
    const Outcome first(text({post, v_legacy, session}),
                        before + R"("traceparent":"x","traceparent":"y"}}})");
    CHECK(first.accepted);
    CHECK(first.message.traceparent == "x");
    const Outcome odd(text({post, v_legacy, session}),
                      before + R"("traceparent":7,"tracestate":")" +
                          std::string(limits::tracestate_bytes_max + 1, 'x') + "\"}}}");
    CHECK(odd.accepted);
    CHECK(odd.message.traceparent.empty());
    CHECK(odd.message.tracestate.empty());
  }

  TEST_CASE("requests without a body are MCP by their session or by what they accept") {
    struct Row {
      std::string_view head;
      std::string_view session;
      Era era;
      Kind kind;
      Repeat repeat;
    };
    const Row rows[] = {
        {"GET /mcp HTTP/1.1\nAccept: text/event-stream\n", "", Era::legacy, Kind::stream,
         Repeat::safe},
        {"GET /mcp HTTP/1.1\nAccept: application/json;q=1 , Text/Event-Stream ;q=0.5\n", "",
         Era::legacy, Kind::stream, Repeat::safe},
        {"GET /mcp HTTP/1.1\nAccept: application/json\nAccept: text/event-stream\n", "",
         Era::legacy, Kind::stream, Repeat::safe},
        {"GET /mcp HTTP/1.1\nMcp-Session-Id: s\n", "s", Era::legacy, Kind::stream, Repeat::safe},
        {"GET /mcp HTTP/1.1\nMCP-Protocol-Version: 2026-07-28\nmcp-session-id: s\n", "s",
         Era::legacy, Kind::stream, Repeat::safe},
        {"GET /mcp HTTP/1.1\nAccept: */*\n", "", Era::none, Kind::other, Repeat::safe},
        {"GET /mcp HTTP/1.1\nAccept: text/event-streams\n", "", Era::none, Kind::other,
         Repeat::safe},
        {"GET /health?sessionId=b1 HTTP/1.1\n", "", Era::none, Kind::other, Repeat::safe},
        {"GET /.well-known/x HTTP/1.1\nMCP-Protocol-Version: 2025-03-26\n", "", Era::none,
         Kind::other, Repeat::safe},
        {"DELETE /mcp HTTP/1.1\nMcp-Session-Id: s\n", "s", Era::legacy, Kind::del, Repeat::safe},
        {"DELETE /mcp HTTP/1.1\n", "", Era::none, Kind::other, Repeat::never},
        {"OPTIONS /mcp HTTP/1.1\n", "", Era::none, Kind::other, Repeat::safe},
        {"OPTIONS /mcp HTTP/1.1\nMcp-Session-Id: s\n", "s", Era::legacy, Kind::other, Repeat::safe},
        {"PUT /x HTTP/1.1\n", "", Era::none, Kind::other, Repeat::never},
    };
    for (const Row& row : rows) {
      CAPTURE(row.head);
      const Outcome outcome(row.head, "");
      CHECK(outcome.accepted);
      CHECK(outcome.message.era == row.era);
      CHECK(outcome.message.kind == row.kind);
      CHECK(outcome.message.session == row.session);
      CHECK(outcome.message.repeat == row.repeat);
      CHECK(outcome.message.method == Method::none);
    }
  }

  TEST_CASE("a POST that is not JSON-RPC is other, and follows a legacy session if it names one") {
    for (const std::string_view body :
         {"", "grant_type=refresh_token", "{\"client_name\":\"x\"}", "[1,{\"a\":2}]", "{\"broken",
          "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"", "{\"id\":1,\"id\":2}", "\x1f\x8b\x08"}) {
      CAPTURE(body);
      const Outcome plain("POST /token?sessionId=q HTTP/1.1\n", body);
      CHECK(plain.accepted);
      CHECK(plain.message.era == Era::none);
      CHECK(plain.message.kind == Kind::other);
      CHECK(plain.message.repeat == Repeat::never);
      CHECK(plain.message.session.empty());
      CHECK(plain.message.id_json.empty());

      const Outcome owned(text({post, session}), body);
      CHECK(owned.accepted);
      CHECK(owned.message.era == Era::legacy);
      CHECK(owned.message.kind == Kind::other);
      CHECK(owned.message.session == "7f3c9a");

      const Outcome stray(text({post, v_modern, session}), body);
      CHECK(stray.accepted);
      CHECK(stray.message.era == Era::none);
      CHECK(stray.message.session.empty());
    }
  }

  TEST_CASE("the body decides the era, the version header where the body is silent") {
    struct Row {
      std::string_view version;
      std::string body;
      Era era;
    };
    const Row rows[] = {
        {"", std::string(ping), Era::legacy},
        {v_legacy, std::string(ping), Era::legacy},
        {"MCP-Protocol-Version: 1999-01-01\n", std::string(ping), Era::legacy},
        {"MCP-Protocol-Version: \n", std::string(ping), Era::legacy},
        {v_modern, std::string(ping), Era::modern},
        {"MCP-Protocol-Version: draft\n", std::string(ping), Era::modern},
        {"", claiming(modern, "ping"), Era::modern},
        {v_modern, claiming(modern, "ping"), Era::modern},
        {"", claiming("\"2025-06-18\"", "ping"), Era::modern},
        {v_legacy, claiming("\"2025-06-18\"", "ping"), Era::modern},
        {"", claiming("7", "ping"), Era::modern},
        {"", claiming(modern, "initialize"), Era::modern},
        {"", claiming("\"2025-06-18\"", "initialize"), Era::legacy},
        {v_legacy, claiming("\"2025-06-18\"", "initialize"), Era::legacy},
        {v_legacy, R"({"jsonrpc":"2.0","id":1,"method":"initialize"})", Era::legacy},
        {v_modern, std::string(answer), Era::legacy},
        {v_modern, "[" + std::string(ping) + "]", Era::legacy},
        {"", R"({"jsonrpc":"2.0","id":null,"error":{}})", Era::legacy},
        {v_modern, R"({"jsonrpc":"2.0"})", Era::modern},
    };
    for (const Row& row : rows) {
      CAPTURE(row.version);
      CAPTURE(row.body);
      const Outcome outcome(text({post, row.version, session}), row.body);
      CHECK(outcome.accepted);
      CHECK(outcome.message.era == row.era);
      CHECK(outcome.message.session == (row.era == Era::legacy ? "7f3c9a" : ""));
    }
  }

  TEST_CASE("a message is a request, notification or response by its method and outcome") {
    struct Row {
      std::string_view body;
      Kind kind;
      Method method;
      Repeat repeat;
    };
    const Row rows[] = {
        {ping, Kind::request, Method::ping, Repeat::safe},
        {R"({"jsonrpc":"2.0","id":1,"method":"tools/call"})", Kind::request, Method::tools_call,
         Repeat::never},
        {R"({"jsonrpc":"2.0","id":null,"method":"x/y"})", Kind::request, Method::other,
         Repeat::never},
        {R"({"jsonrpc":"2.0","id":1,"method":7})", Kind::request, Method::other, Repeat::never},
        {R"({"jsonrpc":"2.0","method":"notifications/initialized"})", Kind::notification,
         Method::notifications_initialized, Repeat::safe},
        {R"({"jsonrpc":"2.0","method":"notifications/progress"})", Kind::notification,
         Method::notifications_progress, Repeat::never},
        {answer, Kind::response, Method::none, Repeat::never},
        {R"({"jsonrpc":"2.0","error":{"code":1}})", Kind::response, Method::none, Repeat::never},
        {R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{}})", Kind::request, Method::ping,
         Repeat::safe},
        {R"({"jsonrpc":"2.0","id":1})", Kind::other, Method::none, Repeat::never},
    };
    for (const Row& row : rows) {
      CAPTURE(row.body);
      const Outcome outcome(post, row.body);
      CHECK(outcome.accepted);
      CHECK(outcome.message.era == Era::legacy);
      CHECK(outcome.message.kind == row.kind);
      CHECK(outcome.message.method == row.method);
      CHECK(outcome.message.repeat == row.repeat);
    }
  }

  TEST_CASE("only a legacy initialize outside any session opens one") {
    const std::string initialize = R"({"jsonrpc":"2.0","id":1,"method":"initialize"})";
    CHECK(Outcome(post, initialize).message.opens_session());
    CHECK(!Outcome(text({post, session}), initialize).message.opens_session());
    CHECK(!Outcome("POST /m?sessionId=b1 HTTP/1.1\n", initialize).message.opens_session());
    CHECK(!Outcome(post, claiming(modern, "initialize")).message.opens_session());
    CHECK(!Outcome(post, R"({"jsonrpc":"2.0","method":"initialize"})").message.opens_session());
    CHECK(!Outcome(post, ping).message.opens_session());
  }

  TEST_CASE("what a request names is read from the param that its method uses") {
    const std::string_view params = R"("name":"n","uri":"u","taskId":"t",)";
    struct Row {
      std::string_view method;
      std::string_view name;
    };
    const Row rows[] = {
        {"tools/call", "n"},
        {"prompts/get", "n"},
        {"resources/read", "u"},
        {"resources/subscribe", "u"},
        {"resources/unsubscribe", "u"},
        {"tasks/get", "t"},
        {"tasks/result", "t"},
        {"tasks/cancel", "t"},
        {"tasks/update", "t"},
        {"tools/list", ""},
        {"acme/run", ""},
    };
    for (const Row& row : rows) {
      CAPTURE(row.method);
      CHECK(Outcome(post, claiming(modern, row.method, params)).message.name == row.name);
    }
  }

  TEST_CASE("a modern request whose mirrored headers contradict its body is refused") {
    struct Row {
      std::string_view fields;
      std::string_view method;
      std::string_view params;
    };
    const Row rows[] = {
        {v_legacy, "ping", ""},
        {"MCP-Protocol-Version: 2026-07-29\n", "ping", ""},
        {"Mcp-Method: tools/list\n", "tools/call", ""},
        {"Mcp-Method: TOOLS/CALL\n", "tools/call", ""},
        {"Mcp-Method: \n", "ping", ""},
        {"Mcp-Name: a\n", "tools/call", R"("name":"b",)"},
        {"Mcp-Name: A\n", "tools/call", R"("name":"a",)"},
        {"Mcp-Name: a\n", "tools/call", ""},
        {"Mcp-Name: \n", "tools/call", R"("name":"a",)"},
        {"Mcp-Name: a\n", "prompts/get", R"("uri":"a",)"},
        {"Mcp-Name: a\n", "resources/read", R"("name":"a",)"},
        {"Mcp-Name: a\n", "tasks/get", R"("name":"a",)"},
        {"Mcp-Name: a\n", "tasks/update", R"("taskId":"b",)"},
        {"Mcp-Name: a\n", "tasks/cancel", R"("taskId":"b",)"},
        {"Mcp-Name: =?base64?YQ=?=\n", "tools/call", R"("name":"a",)"},
        {"Mcp-Name: =?base64?Yg==?=\n", "tools/call", R"("name":"a",)"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.fields);
      CAPTURE(row.params);
      const Outcome outcome(text({post, row.fields}), claiming(modern, row.method, row.params));
      CHECK(outcome.header_mismatch());
      CHECK(outcome.message.id_json == "1");
      CHECK(outcome.message.era == Era::modern);
      CHECK(!std::string_view(outcome.refusal.what).empty());
    }
    CHECK(Outcome(text({post, v_modern}), R"({"jsonrpc":"2.0","id":1,"method":"initialize"})")
              .header_mismatch());
    CHECK(Outcome(text({post, v_modern, "Mcp-Method: a\n"}), R"({"jsonrpc":"2.0","method":"b"})")
              .header_mismatch());
  }

  TEST_CASE("mirrored headers that agree, are absent or mirror nothing pass") {
    struct Row {
      std::string_view fields;
      std::string_view method;
      std::string_view params;
    };
    const Row rows[] = {
        {"", "tools/call", R"("name":"a",)"},
        {"Mcp-Method:   tools/call  \nMcp-Name:  foo \n", "tools/call", R"("name":"foo",)"},
        {"Mcp-Name: a, b\n", "tools/call", R"("name":"a, b",)"},
        {"Mcp-Name: =?base64?YQ==?=\n", "prompts/get", R"("name":"a",)"},
        {"Mcp-Name: =?base64?ZmlsZTovLy9kb2Mvw6kudHh0?=\n", "resources/read",
         R"("uri":"file:///doc/\u00e9.txt",)"},
        {"Mcp-Name: t\n", "tasks/get", R"("taskId":"t",)"},
        {"Mcp-Name: whatever\n", "tools/list", R"("name":"a",)"},
        {"Mcp-Name: whatever\n", "acme/run", R"("name":"a",)"},
        {"Mcp-Param-Region: x\n", "tools/call", R"("name":"a",)"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.fields);
      CHECK(Outcome(text({post, v_modern, row.fields}), claiming(modern, row.method, row.params))
                .accepted);
    }
  }

  TEST_CASE("legacy requests ignore mirrored headers") {
    const Outcome outcome(
        text({post, v_legacy, session, "Mcp-Method: x\nMcp-Name: =?base64?-?=\n"}),
        R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}})");
    CHECK(outcome.accepted);
    CHECK(outcome.message.era == Era::legacy);
  }

  TEST_CASE("repeated or listed MCP header fields are refused whatever the request is") {
    for (const std::string_view fields :
         {"Mcp-Session-Id: a\nMcp-Session-Id: a\n",
          "MCP-Protocol-Version: 2025-06-18\nmcp-protocol-version: 2025-06-18\n",
          "Mcp-Method: a\nMcp-Method: a\n", "Mcp-Name: a\nX: y\nMcp-Name: b\n",
          "MCP-Protocol-Version: 2025-06-18, 2026-07-28\n", "Mcp-Method: ping,ping\n"}) {
      CAPTURE(fields);
      const Outcome request(text({post, fields}), ping);
      CHECK(request.bad_request());
      CHECK(request.message.id_json == "1");
      CHECK(Outcome(text({post, fields}), "a=b").bad_request());
      CHECK(Outcome(text({"GET /health HTTP/1.1\n", fields}), "").bad_request());
      CHECK(Outcome(text({"DELETE /mcp HTTP/1.1\n", fields}), "").bad_request());
    }
  }

  TEST_CASE("a malformed session id is refused where it would count") {
    for (const std::string_view field :
         {"Mcp-Session-Id: \n", "Mcp-Session-Id: a b\n", "Mcp-Session-Id: \xc3\xa9\n"}) {
      CAPTURE(field);
      CHECK(Outcome(text({post, field}), ping).bad_request());
      CHECK(Outcome(text({post, field}), answer).bad_request());
      CHECK(Outcome(text({post, field}), "a=b").bad_request());
      CHECK(Outcome(text({"GET /mcp HTTP/1.1\n", field}), "").bad_request());
      CHECK(Outcome(text({"DELETE /mcp HTTP/1.1\n", field}), "").bad_request());
      CHECK(Outcome(text({post, v_modern, field}), ping).accepted);
    }
  }

  TEST_CASE("the session of 2024-11-05 is taken from the query of a legacy POST only") {
    const std::string_view head = "POST /messages/?session_id=0a%2Fb&x=1 HTTP/1.1\n";
    for (const std::string_view body :
         {ping, answer, std::string_view("[{\"jsonrpc\":\"2.0\"}]")}) {
      const Outcome outcome(head, body);
      CHECK(outcome.message.session == "0a%2Fb");
      CHECK(outcome.message.endpoint_session);
    }
    const Outcome both(text({head, session}), ping);
    CHECK(both.message.session == "7f3c9a");
    CHECK(!both.message.endpoint_session);
    CHECK(Outcome(head, "a=b").message.session.empty());
    CHECK(Outcome(head, claiming(modern, "ping")).message.session.empty());
    CHECK(Outcome("GET /sse?sessionId=b HTTP/1.1\nAccept: text/event-stream\n", "")
              .message.session.empty());
  }

  TEST_CASE("bodies that two parsers may read differently are refused") {
    for (const std::string_view body :
         {R"({"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"})",
          R"({"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/call"})",
          R"({"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0"})",
          R"({"jsonrpc":"2.0","id":1,"method":"ping"}x)",
          R"([{"jsonrpc":"2.0","id":1,"method":"ping"}]])",
          R"([{"jsonrpc":"2.0","id":1,"method":"ping","id":2}])"}) {
      CAPTURE(body);
      CHECK(Outcome(post, body).bad_request());
    }
  }

  TEST_CASE("a batch may be repeated when each of its elements may") {
    const Outcome safe(text({post, session}), text({"[", ping, ",", ping, "]"}));
    CHECK(safe.message.repeat == Repeat::safe);
    CHECK(safe.message.session == "7f3c9a");
    CHECK(safe.message.method == Method::none);
    const Outcome mixed(text({post, session}), text({"[", ping, ",", answer, "]"}));
    CHECK(mixed.accepted);
    CHECK(mixed.message.repeat == Repeat::never);
  }

  TEST_CASE("a batch holds neither initialize nor a modern request, and something") {
    CHECK(Outcome(post, "[]").bad_request());
    CHECK(Outcome(post, text({"[", ping, R"(,{"jsonrpc":"2.0","id":1,"method":"initialize"}])"}))
              .bad_request());
    CHECK(Outcome(post, text({"[", ping, ",", claiming(modern, "ping"), "]"})).bad_request());
  }

  TEST_CASE("a batch beyond its bound is refused and counted") {
    const auto batch_of = [](std::size_t elements) {
      std::string body = "[";
      for (std::size_t i = 0; i < elements; ++i)
        body += std::string(i == 0 ? "" : ",") + "null";
      return body + "," + std::string(ping) + "]";
    };
    CHECK(Outcome(post, batch_of(limits::batch_elements_max - 1)).accepted);
    const auto hits = limit_hits(Limit::batch_elements);
    CHECK(Outcome(post, batch_of(limits::batch_elements_max)).bad_request());
    CHECK(limit_hits(Limit::batch_elements) == hits + 1);
    CHECK(Outcome(post, "[" + std::string(10'000, '1') + "]").message.era == Era::none);
  }

  TEST_CASE("a message object is fit for the next request, whatever the last one was") {
    Classifier classifier;
    Message message;
    Refusal refusal;
    const std::string huge = std::string(3'000'000, 'n');
    const Request big(
        text({post, session}),
        R"({"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":")" + huge + "\"}}");
    CHECK(classifier.classify(big.head(), big.body(), message, refusal));
    CHECK(message.name == huge);
    const Request plain("GET /health HTTP/1.1\n", "");
    CHECK(classifier.classify(plain.head(), plain.body(), message, refusal));
    CHECK(message.name.empty());
    CHECK(message.name.capacity() <= limits::scratch_bytes_kept);
    CHECK(message.id_json.empty());
    CHECK(message.session.empty());
    CHECK(message.era == Era::none);
    CHECK(message.kind == Kind::other);
    CHECK(message.method == Method::none);
  }
}

}  // namespace mcplb::mcp
