#include "mcplb/mcp/session_unknown.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace mcplb::mcp;

namespace {

std::string rpc(int code, const std::string& message, const std::string& id = "null") {
  return R"({"jsonrpc":"2.0","error":{"code":)" + std::to_string(code) + R"(,"message":")" +
         message + R"("},"id":)" + id + "}";
}

bool says(int status, const std::string& body,
          const std::string& content_type = "application/json") {
  return says_session_unknown(status, content_type, body);
}

}  // namespace

TEST_SUITE("mcp/session_unknown") {
  TEST_CASE("knows the words of servers in the field") {
    for (const char* text :
         {"Session not found", "Session not found: 4f2c-91", "session 4f2c-91ab-77 not found",
          "Not Found: Unknown Mcp-Session-Id header", "Bad Request: No valid session ID provided",
          "Bad Request: Server not initialized", "Server has not been initialized",
          "Bad Request: No valid session ID or not an initialize request",
          "Invalid or missing session ID", "Invalid session ID", "Invalid session",
          "Not Found: Invalid or expired session ID", "Not Found: Session has been terminated",
          "Session expired", "Unknown session", "No such session", "no active session",
          "Session doesn't exist", "Session 'x' does not exist", "Session id required",
          "Bad Request: Mcp-Session-Id header is required", "Session is no longer valid",
          "No session found with id x", "Invalid sessionId"}) {
      CAPTURE(text);
      CHECK(says(400, rpc(-32000, text)));
      CHECK(says(404, rpc(-32600, text, "4")));
      CHECK(says(400, std::string(R"({"error":")") + text + "\"}"));
      CHECK(says(422, std::string(R"({"detail":")") + text + "\"}"));
      CHECK(says(400, text, "text/plain"));
      CHECK(says(400, "event: message\ndata: " + rpc(-32000, text) + "\n\n", "text/event-stream"));
      CHECK_FALSE(says(200, rpc(-32000, text)));
      CHECK_FALSE(says(401, rpc(-32000, text)));
      CHECK_FALSE(says(403, rpc(-32000, text)));
      CHECK_FALSE(says(429, rpc(-32000, text)));
      CHECK_FALSE(says(500, rpc(-32000, text)));
    }
  }

  TEST_CASE("other complaints are not taken for it") {
    for (const char* text :
         {"Unsupported protocol version", "Invalid Request", "Not Acceptable",
          "Invalid request: session is read only", "invalid name for session",
          "Invalid session configuration", "Received request before initialization was complete",
          "Mcp-Session-Id header must be a single value", "Parse error", "Conflict", ""}) {
      CAPTURE(text);
      CHECK_FALSE(says(400, rpc(-32000, text)));
      CHECK_FALSE(says(400, text, "text/plain"));
    }
    CHECK_FALSE(says(400, rpc(-32602, "Unknown session", "4")));
  }

  TEST_CASE("a 404 without content, or by a transport, says so") {
    CHECK(says(404, ""));
    CHECK(says(404, " \r\n", ""));
    CHECK(says(404, rpc(-32001, "Not here", "4")));
    CHECK(says(404, rpc(-32000, "Not here")));
  }

  TEST_CASE("a 404 of a wrong path or an unknown method does not") {
    CHECK_FALSE(says(404, rpc(-32601, "Method not found", "4")));
    CHECK_FALSE(says(404, rpc(-32601, "Method not found")));
    CHECK_FALSE(says(404, rpc(-32002, "Resource not found", "4")));
    CHECK_FALSE(says(404, R"({"detail":"Not Found"})"));
    CHECK_FALSE(says(404, "404 page not found", "text/plain"));
    CHECK_FALSE(says(404, "<html><body>Session not found</body></html>", "text/html"));
    CHECK_FALSE(says(404, "<!DOCTYPE html><pre>Cannot POST /session</pre>", ""));
    CHECK_FALSE(says(400, "", ""));
  }

  TEST_CASE("a body that was cut short is read as far as it goes") {
    const std::string whole = rpc(-32000, "Session not found") + std::string(9000, ' ');
    CHECK(says(400, whole.substr(0, 8192)));
    CHECK(says(400, rpc(-32000, "Session not found").substr(0, 70)));
    CHECK_FALSE(says(400, std::string(8192, '{')));
    CHECK_FALSE(says(400, std::string(8192, '[')));
  }

  TEST_CASE("an error inside of a 2xx reply is judged by its words") {
    Response response;
    response.is_error = true;
    response.code = -32001;
    response.message = "Session not found";
    CHECK(says_session_unknown(response));
    response.code = -32602;
    CHECK_FALSE(says_session_unknown(response));
    response.code = -32001;
    response.message = "Request timed out";
    CHECK_FALSE(says_session_unknown(response));
    response.message = "Session not found";
    response.is_error = false;
    CHECK_FALSE(says_session_unknown(response));
  }
}
