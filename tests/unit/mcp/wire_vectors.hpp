// The client's half of the wire examples that the MCP revisions describe, and what each message
// is. `head` is the start line and the fields, without Host and Content-Length.
#pragma once

#include <array>
#include <string_view>

#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {

enum class Verdict { accepted, bad_request, header_mismatch };

struct WireVector {
  std::string_view id;
  std::string_view head;
  std::string_view body;
  Era era;
  Kind kind;
  Method method;
  std::string_view name;
  std::string_view id_json;
  std::string_view session;
  Verdict verdict;
};

inline constexpr std::array<WireVector, 31> wire_vectors{{
    {"V1",
     "GET /sse HTTP/1.1\n"
     "Accept: text/event-stream\n",
     "", Era::legacy, Kind::stream, Method::none, "", "", "", Verdict::accepted},
    {"V1",
     "POST /messages?sessionId=b1 HTTP/1.1\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":1,"method":"ping"})", Era::legacy, Kind::request, Method::ping, "",
     "1", "b1", Verdict::accepted},
    {"V2",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":0,"method":"initialize",)"
     R"("params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"t",)"
     R"("version":"1"}}})",
     Era::legacy, Kind::request, Method::initialize, "", "0", "", Verdict::accepted},
    {"V2",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "Mcp-Session-Id: 7f3c9a\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","method":"notifications/initialized"})", Era::legacy, Kind::notification,
     Method::notifications_initialized, "", "", "7f3c9a", Verdict::accepted},
    {"V3",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "Mcp-Session-Id: 7f3c9a\n"
     "Content-Type: application/json\n",
     R"([{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0",)"
     R"("method":"notifications/cancelled","params":{"requestId":9}},{"jsonrpc":"2.0",)"
     R"("id":2,"method":"tools/list"}])",
     Era::legacy, Kind::batch, Method::none, "", "", "7f3c9a", Verdict::accepted},
    {"V4",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2025-06-18\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":3,"method":"tools/list"})", Era::legacy, Kind::request,
     Method::tools_list, "", "3", "", Verdict::accepted},
    {"V4",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2025-06-18\n"
     "Mcp-Session-Id: dead01\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":4,"method":"tools/list"})", Era::legacy, Kind::request,
     Method::tools_list, "", "4", "dead01", Verdict::accepted},
    {"V5",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2025-06-18\n"
     "Mcp-Session-Id: 7f3c9a\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"book",)"
     R"("arguments":{},"_meta":{"progressToken":"p1"}}})",
     Era::legacy, Kind::request, Method::tools_call, "book", "5", "7f3c9a", Verdict::accepted},
    {"V5",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2025-06-18\n"
     "Mcp-Session-Id: 7f3c9a\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":5,"result":{"action":"accept","content":{"seat":"4A"}}})",
     Era::legacy, Kind::response, Method::none, "", "5", "7f3c9a", Verdict::accepted},
    {"V6",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 1999-01-01\n"
     "Mcp-Session-Id: 7f3c9a\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":6,"method":"ping"})", Era::legacy, Kind::request, Method::ping, "",
     "6", "7f3c9a", Verdict::accepted},
    {"V7",
     "GET /mcp HTTP/1.1\n"
     "Accept: text/event-stream\n"
     "MCP-Protocol-Version: 2025-11-25\n"
     "Mcp-Session-Id: 7f3c9a\n",
     "", Era::legacy, Kind::stream, Method::none, "", "", "7f3c9a", Verdict::accepted},
    {"V7",
     "DELETE /mcp HTTP/1.1\n"
     "MCP-Protocol-Version: 2025-11-25\n"
     "Mcp-Session-Id: 7f3c9a\n",
     "", Era::legacy, Kind::del, Method::none, "", "", "7f3c9a", Verdict::accepted},
    {"V7",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2025-11-25\n"
     "Mcp-Session-Id: 7f3c9a\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":7,"method":"ping"})", Era::legacy, Kind::request, Method::ping, "",
     "7", "7f3c9a", Verdict::accepted},
    {"V8",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2025-11-25\n"
     "Mcp-Session-Id: 7f3c9a\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"slow",)"
     R"("arguments":{}}})",
     Era::legacy, Kind::request, Method::tools_call, "slow", "8", "7f3c9a", Verdict::accepted},
    {"V8",
     "GET /mcp HTTP/1.1\n"
     "Accept: text/event-stream\n"
     "MCP-Protocol-Version: 2025-11-25\n"
     "Mcp-Session-Id: 7f3c9a\n"
     "Last-Event-ID: s8-0\n",
     "", Era::legacy, Kind::stream, Method::none, "", "", "7f3c9a", Verdict::accepted},
    {"V9",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2025-11-25\n"
     "Origin: https://evil.example\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":9,"method":"ping"})", Era::legacy, Kind::request, Method::ping, "",
     "9", "", Verdict::accepted},
    {"V10",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: server/discover\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":"d1","method":"server/discover",)"
     R"("params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
     Era::modern, Kind::request, Method::server_discover, "", "\"d1\"", "", Verdict::accepted},
    {"V10",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: tools/call\n"
     "Mcp-Name: get_weather\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"get_weather",)"
     R"("arguments":{"city":"Oslo"},)"
     R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
     Era::modern, Kind::request, Method::tools_call, "get_weather", "10", "", Verdict::accepted},
    {"V12",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: tools/call\n"
     "Mcp-Name: a\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"b","arguments":{},)"
     R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
     Era::modern, Kind::request, Method::tools_call, "b", "12", "", Verdict::header_mismatch},
    {"V12",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: ping\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":15,"method":"ping",)"
     R"("params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
     Era::modern, Kind::request, Method::ping, "", "15", "", Verdict::accepted},
    {"V12",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: tools/list\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":16,"method":"tools/list"})", Era::modern, Kind::request,
     Method::tools_list, "", "16", "", Verdict::accepted},
    {"V12",
     "GET /mcp HTTP/1.1\n"
     "Accept: text/event-stream\n",
     "", Era::legacy, Kind::stream, Method::none, "", "", "", Verdict::accepted},
    {"V13",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: resources/read\n"
     "Mcp-Name: =?base64?ZmlsZTovLy9kb2Mvw6kudHh0?=\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":17,"method":"resources/read",)"
     R"("params":{"uri":"file:///doc/é.txt",)"
     R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
     Era::modern, Kind::request, Method::resources_read, "file:///doc/é.txt", "17", "",
     Verdict::accepted},
    {"V13",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: tools/call\n"
     "Mcp-Name: execute_sql\n"
     "Mcp-Param-Region: us-west1\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":18,"method":"tools/call","params":{"name":"execute_sql",)"
     R"("arguments":{"region":"us-west1","q":"select 1"},)"
     R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
     Era::modern, Kind::request, Method::tools_call, "execute_sql", "18", "", Verdict::accepted},
    {"V14",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: tools/call\n"
     "Mcp-Name: book\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":20,"method":"tools/call","params":{"name":"book",)"
     R"("arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}})",
     Era::modern, Kind::request, Method::tools_call, "book", "20", "", Verdict::accepted},
    {"V14",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: tools/call\n"
     "Mcp-Name: book\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":21,"method":"tools/call","params":{"name":"book",)"
     R"("arguments":{},"inputResponses":{"seat":{"action":"accept",)"
     R"("content":{"seat":"4A"}}},"requestState":"c2VhbGVk",)"
     R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}})",
     Era::modern, Kind::request, Method::tools_call, "book", "21", "", Verdict::accepted},
    {"V15",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: subscriptions/listen\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":30,"method":"subscriptions/listen",)"
     R"("params":{"notifications":{"toolsListChanged":true},)"
     R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
     Era::modern, Kind::request, Method::subscriptions_listen, "", "30", "", Verdict::accepted},
    {"V16",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: tools/call\n"
     "Mcp-Name: render\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":40,"method":"tools/call","params":{"name":"render",)"
     R"("arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol)"
     R"(/tasks":{}}}}}})",
     Era::modern, Kind::request, Method::tools_call, "render", "40", "", Verdict::accepted},
    {"V16",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: tasks/get\n"
     "Mcp-Name: t-9f2\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":41,"method":"tasks/get","params":{"taskId":"t-9f2",)"
     R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol)"
     R"(/tasks":{}}}}}})",
     Era::modern, Kind::request, Method::tasks_get, "t-9f2", "41", "", Verdict::accepted},
    {"V17",
     "POST /mcp HTTP/1.1\n"
     "Accept: application/json, text/event-stream\n"
     "MCP-Protocol-Version: 2026-07-28\n"
     "Mcp-Method: server/discover\n"
     "Content-Type: application/json\n",
     R"({"jsonrpc":"2.0","id":"p","method":"server/discover",)"
     R"("params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
     Era::modern, Kind::request, Method::server_discover, "", "\"p\"", "", Verdict::accepted},
    {"V17",
     "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\n"
     "Accept: application/json\n",
     "", Era::none, Kind::other, Method::none, "", "", "", Verdict::accepted},
}};

}  // namespace mcplb::mcp
