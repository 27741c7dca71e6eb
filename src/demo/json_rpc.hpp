// JSON-RPC messages and the HTTP replies that carry them. Nothing here throws: what a client
// sent is parsed without exceptions and looked at through member(), never through at().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "mcplb/wire/server.hpp"

namespace mcplb::demo {

// Keeps the order of the keys, so that a person who reads a reply finds "jsonrpc" first.
using Json = nlohmann::ordered_json;

inline constexpr int parse_error = -32700;
inline constexpr int invalid_request = -32600;
inline constexpr int method_not_found = -32601;
inline constexpr int invalid_params = -32602;
inline constexpr int bad_request = -32000;
inline constexpr int session_not_found = -32001;
inline constexpr int header_mismatch = -32020;
inline constexpr int missing_capability = -32021;
inline constexpr int unsupported_version = -32022;

// Deeper nesting than this is refused, because writing JSON recurses once a level.
inline constexpr int json_depth_max = 64;
// Empty for anything that is not JSON, or nests too deep.
std::optional<Json> parse_json(std::string_view text);
std::string to_text(const Json& value);

// The value of that key; null when `object` is no object or has no such key.
const Json& member(const Json& object, const char* key);
// The text of that key, or `otherwise` when it is no string.
std::string text_member(const Json& object, const char* key, std::string_view otherwise = "");
// The number of that key, brought between `least` and `most`; `otherwise` when it is no number.
int number_member(const Json& object, const char* key, int otherwise, int least, int most);
// A request's id is a string or an integer.
bool is_request_id(const Json& id);

Json result_message(const Json& id, Json result);
Json error_message(const Json& id, int code, std::string_view text);
// What a tool returns: one piece of text.
Json text_result(std::string_view text, bool is_error = false);

wire::Reply json_reply(int status, const Json& body);
wire::Reply error_reply(int status, const Json& id, int code, std::string_view text);
// 202 with an empty body: the answer to notifications and posted responses.
wire::Reply accepted_reply();
// The head of an event stream.
wire::Reply events_head();
std::string event_text(const Json& message);

// True when the client can read an event stream; one that sends no Accept takes anything.
bool takes_events(const http::RequestHead& head);

// Sends a whole reply. The connection's own flow sees when that failed.
Task<void> send(wire::ReplyWriter& writer, wire::Reply reply);

}  // namespace mcplb::demo
