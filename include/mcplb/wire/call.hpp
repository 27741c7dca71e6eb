// One bounded request and its reply over a stream that is used for nothing else: for what the
// balancer asks on its own account (deleting an orphaned session, probes).
#pragma once

#include <string>

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

}  // namespace mcplb::wire
