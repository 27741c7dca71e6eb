// The client's end of HTTP/1.1 over a Stream: replies in. Used for backends.
#pragma once

#include <string>
#include <string_view>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/http/body.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/http/parser.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/stream.hpp"

namespace mcplb::wire {

// Reads replies off one connection, in order. Lives beside the stream.
//
//   auto head = co_await reader.read_head(method, deadline);     // again while it is interim
//   while (true) {
//     auto part = reader.next_part();                            // what has arrived, no wait
//     … use part->content …
//     if (part->last) break;
//     if (part->content.empty()) { auto more = co_await reader.more(deadline); … }
//   }
class ReplyReader {
 public:
  ReplyReader(net::Stream& stream, const http::Settings& settings)
      : stream_(stream), settings_(settings) {}
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  // What has arrived already, without waiting: true when a head is whole.
  Result<bool> take_head(http::Method request_method);
  // The next head: interim (1xx) or final. Errors have side backend: malformed, head_too_large,
  // timeout, closed, reset. After a time-out it may be called again: nothing is lost.
  Task<Result<void>> read_head(http::Method request_method, Deadline deadline);
  const http::ReplyHead& head() const { return head_; }
  // For replies that last for hours: of the head remains what stands in no view.
  void drop_head_text();
  // True when bytes of a reply have arrived since the last one ended.
  bool has_begun() const { return begun_ || !stream_.unread().empty(); }

  struct Part {
    std::string_view content;  // valid until the next call or wait
    bool last = false;         // nothing follows; trailers() are complete
  };
  Result<Part> next_part();
  net::Stream::MoreAwaiter more(Deadline deadline) { return stream_.more(deadline); }
  // After more() gave an error: the end of the stream may be the end of the body.
  Result<void> end_of_input(const Error& error);
  std::string_view trailers() const { return body_.trailers(); }
  // The reply ended where it said it would and the connection may carry another request.
  bool reusable() const;
  // Forgets the reply that has ended, before the connection idles or carries another request.
  void start_next();

 private:
  net::Stream& stream_;
  const http::Settings& settings_;
  std::string head_bytes_;  // what the views in head_ point into
  http::ReplyHead head_;
  http::HeadScanner scanner_{Error::Side::backend};
  http::BodyDecoder body_;
  std::size_t to_consume_ = 0;  // bytes behind the part that was handed out last
  bool begun_ = false;
};

}  // namespace mcplb::wire
