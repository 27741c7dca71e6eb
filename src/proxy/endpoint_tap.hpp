// The `endpoint` event of the 2024-11-05 transport on its way to the client: it announces the URL
// to which the client posts, and with it the session. Held until it is whole (bounded), learned
// before it is forwarded, and given back the path prefix that the route stripped. Its session is
// spelled as the client is to see it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mcplb/mcp/sse.hpp"

namespace mcplb::proxy {

class EndpointTap {
 public:
  // Called once, with the session that the announced URL names; returns what the client is to read
  // in its place.
  using OnSession = std::function<std::string(std::string_view)>;
  EndpointTap(std::string stripped_prefix, OnSession on_session);

  // Takes content of the stream and appends what may go on to `out`.
  void feed(std::string_view content, std::string& out);
  // The stream has ended: what was held goes on.
  void finish(std::string& out);
  // The event was found or is absent: nothing is held any more.
  bool done() const { return done_; }

 private:
  void pass_comments(std::string& out);
  void pass_event(const mcp::EndpointEvent& event, std::string& out);

  std::string prefix_;
  OnSession on_session_;
  std::string held_;
  bool done_ = false;
};

}  // namespace mcplb::proxy
