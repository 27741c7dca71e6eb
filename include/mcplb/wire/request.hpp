// The server's end of HTTP/1.1 over a Stream: requests in. Used by proxy, admin and demo.
#pragma once

#include <string>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/http/body.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/http/parser.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/stream.hpp"

namespace mcplb::wire {

// One whole request. Owned by the connection that serves it; reusable after clear().
struct Request {
  std::string_view peer;   // of the connection, for logs; empty when nobody said; clear() keeps it
  std::string head_bytes;  // what the views in `head` point into
  http::RequestHead head;
  // Decoded, at most request_bytes_max; its capacity leaves body_padding bytes after the end, for
  // parsers that read ahead.
  std::string body;

  static constexpr std::size_t body_padding = 64;
  void clear();
  // For requests that are open for hours: the fields of the head can be read again when they are
  // needed. All other views into the head stay valid.
  void drop_fields() { head.fields.release(); }
  void restore_fields();
};

// Reads requests off one connection, in order. Owned by the connection's flow.
class RequestReader {
 public:
  // `stream` and `settings` outlive the reader.
  RequestReader(net::Stream& stream, const http::Settings& settings)
      : stream_(stream), settings_(settings) {}

  // What has arrived already, without waiting: true when the head, or the body, is whole. Nearly
  // every request comes in one piece, so that nothing below needs to be awaited.
  Result<bool> take_head(Request& out);
  bool take_body(Request& out);

  // The head; its bytes may have begun to arrive. `deadline` is for all of it.
  // Errors: malformed, head_too_large, timeout, closed, reset; side client.
  Task<Result<void>> read_head(Request& out, Deadline deadline);
  // The body that the head announced, after `Expect: 100-continue` was answered. `between` is for
  // each wait. Errors as above and body_too_large, also before a byte of it was read.
  Task<Result<void>> read_body(Request& out, milliseconds between);

 private:
  net::Stream& stream_;
  const http::Settings& settings_;
  http::HeadScanner scanner_;
  http::BodyDecoder body_;
};

}  // namespace mcplb::wire
