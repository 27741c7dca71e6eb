#include "load/requests.hpp"

namespace mcplb::bench {
namespace {

constexpr std::string_view modern_meta =
    R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"mcplb_load","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{})";
constexpr std::string_view detail =
    "a typical argument of a tool call, some tens of bytes of text";

void append_session(std::string& out, const Session& session) {
  out += "Mcp-Session-Id: ";
  out += session.id;
  out += "\r\n";
}

}  // namespace

std::string tag_of(std::uint64_t id) { return "t" + std::to_string(id * 7 + 3); }

Requests::Requests(const Scenario& scenario) : modern_(scenario.modern) {
  const std::string target = " " + scenario.url.path + " HTTP/1.1\r\n";
  post_line_ = "POST" + target;
  get_line_ = "GET" + target;
  delete_line_ = "DELETE" + target;
  fields_ = "Host: " + scenario.url.authority() + "\r\nUser-Agent: mcplb_load\r\n";
  for (const auto& [name, value] : scenario.headers)
    fields_ += name + ": " + value + "\r\n";
  post_fields_ =
      "Content-Type: application/json\r\n"
      "Accept: application/json, text/event-stream\r\n";
}

void Requests::begin_body(std::uint64_t id, std::string_view method) {
  body_ = R"({"jsonrpc":"2.0","id":)";
  body_ += std::to_string(id);
  body_ += R"(,"method":")";
  body_ += method;
  body_ += R"(","params":{)";
  mirrored_.clear();
  if (modern_) mirrored_.append("Mcp-Method: ").append(method).append("\r\n");
}

// Puts the head before the body that was made.
void Requests::post(std::string& out, const Session& session) {
  out += post_line_;
  out += fields_;
  out += post_fields_;
  out += mirrored_;
  // initialize names its version in the body only.
  if (modern_ || !session.id.empty()) {
    out += "MCP-Protocol-Version: ";
    out += modern_ ? modern_version : legacy_version;
    out += "\r\n";
  }
  if (!session.id.empty()) append_session(out, session);
  out += "Content-Length: ";
  out += std::to_string(body_.size());
  out += "\r\n\r\n";
  out += body_;
}

void Requests::initialize(std::string& out, std::uint64_t id) {
  begin_body(id, "initialize");
  body_ += R"("protocolVersion":")";
  body_ += legacy_version;
  body_ += R"(","capabilities":{},"clientInfo":{"name":"mcplb_load","version":"1"}}})";
  post(out, {});
}

void Requests::initialized(std::string& out, const Session& session) {
  mirrored_.clear();
  body_ = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
  post(out, session);
}

void Requests::call(std::string& out, const Session& session, const MixItem& item,
                    std::uint64_t id) {
  const std::string_view tool = name_of(item.tool);
  begin_body(id, "tools/call");
  if (modern_) mirrored_.append("Mcp-Name: ").append(tool).append("\r\n");
  body_ += R"("name":")";
  body_ += tool;
  body_ += R"(","arguments":{"tag":")";
  body_ += tag_of(id);
  body_ += R"(","detail":")";
  body_ += detail;
  body_ += '"';
  if (item.tool == Tool::sleep) body_ += ",\"ms\":" + std::to_string(item.ms);
  body_ += '}';
  const bool wants_progress = item.tool == Tool::events;
  if (modern_ || wants_progress) body_ += R"(,"_meta":{)";
  if (wants_progress) body_ += R"("progressToken":)" + std::to_string(id);
  if (modern_ && wants_progress) body_ += ',';
  if (modern_) body_ += modern_meta;
  if (modern_ || wants_progress) body_ += '}';
  body_ += "}}";
  post(out, session);
}

void Requests::ping(std::string& out, const Session& session, std::uint64_t id) {
  begin_body(id, "ping");
  body_ += "}}";
  post(out, session);
}

void Requests::discover(std::string& out, std::uint64_t id) {
  begin_body(id, "server/discover");
  body_ += R"("_meta":{)";
  body_ += modern_meta;
  body_ += "}}}";
  post(out, {});
}

void Requests::open_stream(std::string& out, const Session& session) {
  out += get_line_;
  out += fields_;
  out += "Accept: text/event-stream\r\nMCP-Protocol-Version: ";
  out += legacy_version;
  out += "\r\n";
  append_session(out, session);
  out += "\r\n";
}

void Requests::remove(std::string& out, const Session& session) {
  out += delete_line_;
  out += fields_;
  out += "MCP-Protocol-Version: ";
  out += legacy_version;
  out += "\r\n";
  append_session(out, session);
  out += "\r\n";
}

}  // namespace mcplb::bench
