#include <string>

#include "mcplb/base/assert.hpp"
#include "mcplb/http/body.hpp"
#include "mcplb/http/parser.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/http/writer.hpp"

#include "micro/measure.hpp"

namespace mcplb::bench {
namespace {

constexpr std::uint64_t operations = 20'000;
constexpr std::string_view request_head =
    "POST /mcp HTTP/1.1\r\n"
    "Host: mcp.example.com\r\n"
    "Connection: keep-alive\r\n"
    "User-Agent: node\r\n"
    "Accept: application/json, text/event-stream\r\n"
    "Accept-Language: *\r\n"
    "Content-Type: application/json\r\n"
    "Mcp-Session-Id: 0123456789abcdef0123456789abcdef\r\n"
    "MCP-Protocol-Version: 2025-11-25\r\n"
    "Content-Length: 210\r\n\r\n";
constexpr std::string_view reply_head =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: application/json\r\n"
    "Mcp-Session-Id: 0123456789abcdef0123456789abcdef\r\n"
    "Content-Length: 197\r\n\r\n";

// Ten events of 200 bytes, a chunk each.
std::string chunked_body() {
  std::string body;
  for (int i = 0; i < 10; ++i) {
    const std::string event(200, 'x');
    body += http::ChunkHeader(event.size()).text();
    body += event + "\r\n";
  }
  return body + "0\r\n\r\n";
}

}  // namespace

void measure_http(Bench& bench) {
  const http::Settings settings;
  http::RequestHead request;
  http::HeadScanner scanner;
  bench.time("http/request head", operations, [&](std::uint64_t) {
    scanner.reset();
    const auto size = scanner.scan(request_head);
    const auto parsed = http::parse_request_head(request_head, settings, request);
    MCPLB_ASSERT(size && *size == request_head.size() && parsed);
  });
  http::ReplyHead reply;
  bench.time("http/reply head", operations, [&](std::uint64_t) {
    scanner.reset();
    const auto size = scanner.scan(reply_head);
    const auto parsed =
        http::parse_reply_head(reply_head, http::Method::post, settings, reply);
    MCPLB_ASSERT(size && *size == reply_head.size() && parsed);
  });
  http::BodyDecoder decoder;
  const std::string body = chunked_body();
  std::string bytes;
  bench.time("http/chunked body of 10 events", operations, [&](std::uint64_t) {
    bytes = body;  // decoded in place
    decoder.start(http::Framing::chunked, 0, Error::Side::backend);
    const auto step = decoder.decode(bytes.data(), bytes.size());
    MCPLB_ASSERT(step && decoder.done());
  });
}

}  // namespace mcplb::bench
