// One bounded request and its reply over a stream that is used for nothing else: for what the
// balancer asks on its own account (deleting an orphaned session, probes, whose session it is).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/net/stream.hpp"

namespace mcplb::wire {

struct CallReply {
  int status = 0;
  std::string body;  // at most the bytes that were asked for; a longer one is an error
};

// `request` is the whole message as bytes. Errors have side backend.
Task<Result<CallReply>> call(net::Stream& stream, std::string request, http::Method method,
                             std::size_t body_bytes_max, Deadline deadline);

struct CallField {
  std::string_view name;  // static text
  std::string value;      // empty: the field is left out
};

// Names and values come from parsed heads or from us: nothing here escapes them.
struct CallRequest {
  http::Method method = http::Method::post;  // one that has a standard name
  std::string target;                        // origin form
  std::vector<CallField> fields;  // all but Content-Length and Connection, Host among them
  std::string lines;  // further fields as whole lines, each with its CRLF
  std::string body;
};

// The message as bytes, for a connection that closes behind the reply. A method that expects a
// body announces its length also when there is none.
std::string to_bytes(const CallRequest& request);

// What a reply's head says of itself. Views into the head: they end with the call of on_head().
struct CallHead {
  int status = 0;
  bool event_stream = false;
  std::string_view content_type;
  std::string_view retry_after;
  std::string www_authenticate;  // several fields joined (RFC 9110 §5.3)
  std::string_view session;      // Mcp-Session-Id; empty, too, when it is repeated
};

// Takes a reply as it arrives. Both return false when the rest is of no interest: the call then
// ends well at once.
class ReplySink {
 public:
  // Once, with the final head; interim ones are skipped.
  virtual bool on_head(const CallHead& head) = 0;
  // Decoded content. The receiver bounds it: an event stream may never end.
  virtual bool on_content(std::string_view content) = 0;

 protected:
  ~ReplySink() = default;
};

// `sink` is owned by an ancestor of the task. Errors have side backend.
Task<Result<void>> call(net::Stream& stream, CallRequest request, ReplySink& sink,
                        Deadline deadline);

}  // namespace mcplb::wire
