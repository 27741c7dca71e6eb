#include "demo/demo.hpp"

namespace mcplb::demo {
namespace {

// MAIN and ADMIN stand for the addresses.
constexpr std::string_view guide_text = R"guide(
Three plain MCP servers run behind mcplb. Each keeps its sessions in its own memory.

  MCP endpoint   http://MAIN/mcp
  dashboard      http://ADMIN/
  admin          http://ADMIN/health

Try it in another terminal. First two helpers, once per terminal:

  mcp() { curl -sS http://MAIN/mcp -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' "$@"; echo; }
  call() { mcp -H "Mcp-Session-Id: $SID" -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"'"$1"'","arguments":'"${2:-{\}}"',"_meta":{"progressToken":1}}}' "${@:3}"; }

Thirty calls without a session: ten from each replica.

  for i in {1..30}; do mcp -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"}}'; done | grep -o '"replica":"[^"]*"' | sort | uniq -c

Open a session. Its id comes in a header of the reply.

  SID=$(mcp -D - -o /dev/null -d '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}' | tr -d '\r' | awk -F': ' 'tolower($1) == "mcp-session-id" {print $2}'); echo "$SID"

Ten calls with it: one replica, which counts them.

  for i in {1..10}; do call whoami; done | grep -o '"text":"[^"]*"'

A tool that takes its time: its progress streams through, one event each half second.

  call slow '{"steps":6,"delay_ms":500}' -N

The event stream of the session, and a message on it.

  curl -sN --max-time 3 http://MAIN/mcp -H 'Accept: text/event-stream' -H "Mcp-Session-Id: $SID" & sleep 1; call notify '{"text":"hello"}'; wait

End the session. Afterwards no replica knows it: 404, so that clients open a new one.

  mcp -X DELETE -H "Mcp-Session-Id: $SID" -w '%{http_code}'
  call whoami '{}' -w ' %{http_code}'

The same server in the revision of 2026-07-28, which has no sessions.

  mcp -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: server/discover' -d '{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'

How the balancer sees its backends:

  curl -sS http://ADMIN/health

Ctrl-C ends the demo.
)guide";

std::string replaced(std::string text, std::string_view word, std::string_view value) {
  for (std::size_t at = text.find(word); at != std::string::npos;
       at = text.find(word, at + value.size())) {
    text.replace(at, word.size(), value);
  }
  return text;
}

}  // namespace

std::string demo_guide(std::string_view main_address, std::string_view admin_address) {
  std::string text = replaced(std::string(guide_text), "MAIN", main_address);
  text.erase(0, text.find_first_not_of('\n'));
  return replaced(std::move(text), "ADMIN", admin_address);
}

}  // namespace mcplb::demo
