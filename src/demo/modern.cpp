#include "demo/modern.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "mcplb/mcp/message.hpp"

namespace mcplb::demo {
namespace {

constexpr std::array<std::string_view, 3> legacy_versions = {"2025-11-25", "2025-06-18",
                                                             "2025-03-26"};
constexpr const char* version_key = "io.modelcontextprotocol/protocolVersion";
constexpr const char* capabilities_key = "io.modelcontextprotocol/clientCapabilities";
constexpr int list_ttl_ms = 60'000;

const Json& meta_of(const Json& message) {
  return member(member(message, "params"), "_meta");
}

wire::Reply refuse(const Json& message, int code, std::string_view text) {
  return error_reply(400, member(message, "id"), code, text);
}

wire::Reply refuse_version(const Json& message, const std::string& requested) {
  Json error = error_message(member(message, "id"), unsupported_version,
                             "this protocol version is not supported");
  error["error"]["data"]["supported"] = supported_versions();
  error["error"]["data"]["requested"] = requested;
  return json_reply(400, error);
}

bool mirrors_name(const http::RequestHead& head, const Json& message) {
  const auto decoded = mcp::decode_mirrored(head.fields.get(http::Name::mcp_name));
  return decoded && *decoded == text_member(member(message, "params"), "name");
}

// What is wrong with the envelope or its mirror in the headers; empty when nothing is.
std::optional<wire::Reply> refusal(const http::RequestHead& head, const Json& message) {
  const Json& meta = meta_of(message);
  const std::string method = text_member(message, "method");
  if (!member(meta, version_key).is_string() || !member(meta, capabilities_key).is_object()) {
    return refuse(message, invalid_params, "_meta needs protocolVersion and clientCapabilities");
  }
  const std::string version = text_member(meta, version_key);
  if (head.fields.get(http::Name::mcp_protocol_version) != version) {
    return refuse(message, header_mismatch, "MCP-Protocol-Version is not that of the body");
  }
  if (version != modern_version) return refuse_version(message, version);
  if (head.fields.get(http::Name::mcp_method) != method) {
    return refuse(message, header_mismatch, "Mcp-Method is not the method of the body");
  }
  if (method == "tools/call" && !mirrors_name(head, message)) {
    return refuse(message, header_mismatch, "Mcp-Name is not the tool that the body names");
  }
  return std::nullopt;
}

Json cacheable(Json result) {
  result["ttlMs"] = list_ttl_ms;
  result["cacheScope"] = "public";
  return complete(std::move(result));
}

Json discovery() {
  Json result = Json::object();
  result["supportedVersions"] = supported_versions();
  result["capabilities"]["tools"] = Json::object();
  return cacheable(std::move(result));
}

int status_of(const Json& response) {
  switch (number_member(member(response, "error"), "code", 0, -32768, 0)) {
    case method_not_found:
      return 404;
    case missing_capability:
      return 400;
    default:
      return 200;
  }
}

}  // namespace

bool is_legacy_version(std::string_view version) {
  return std::find(legacy_versions.begin(), legacy_versions.end(), version) !=
         legacy_versions.end();
}

Json supported_versions() {
  Json versions = Json::array();
  versions.push_back(std::string(modern_version));
  for (const std::string_view version : legacy_versions)
    versions.push_back(std::string(version));
  return versions;
}

bool is_modern(const http::RequestHead& head, const Json& message) {
  if (member(meta_of(message), version_key).is_string()) return true;
  const std::string_view version = head.fields.get(http::Name::mcp_protocol_version);
  return !version.empty() && version >= modern_version;
}

std::variant<wire::Reply, LongCall> answer_modern(const http::RequestHead& head,
                                                  const Json& message, const Tools& tools) {
  const std::string method = text_member(message, "method");
  if (method.empty()) return refuse(message, invalid_request, "no responses in this version");
  if (!is_request_id(member(message, "id"))) return accepted_reply();
  auto refused = refusal(head, message);
  if (refused) return std::move(*refused);

  LongCall call;
  call.id = member(message, "id");
  call.modern = true;
  if (method == "server/discover") return json_reply(200, result_message(call.id, discovery()));
  if (method == "tools/list") {
    Json result = Json::object();
    result["tools"] = Tools::definitions(/*modern=*/true);
    return json_reply(200, result_message(call.id, cacheable(std::move(result))));
  }
  if (method != "tools/call") {
    const std::string text = "unknown method: " + method;
    return error_reply(404, call.id, method_not_found, text);
  }
  call.params = member(message, "params");
  call.takes_events = takes_events(head);
  Outcome outcome = tools.call(std::move(call));
  if (auto* response = std::get_if<Json>(&outcome)) {
    return json_reply(status_of(*response), *response);
  }
  return std::move(std::get<LongCall>(outcome));
}

}  // namespace mcplb::demo
