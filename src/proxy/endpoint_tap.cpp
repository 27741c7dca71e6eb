#include "proxy/endpoint_tap.hpp"

#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/mcp/message.hpp"

namespace mcplb::proxy {

EndpointTap::EndpointTap(std::string stripped_prefix, OnSession on_session)
    : prefix_(std::move(stripped_prefix)), on_session_(std::move(on_session)) {}

void EndpointTap::feed(std::string_view content, std::string& out) {
  if (done_) {
    out += content;
    return;
  }
  held_ += content;
  mcp::EndpointEvent event;
  const mcp::EndpointSearch search = mcp::find_endpoint_event(held_, event);
  const bool too_long = held_.size() > limits::endpoint_event_bytes_max;
  if (search == mcp::EndpointSearch::need_more && !too_long) {
    pass_comments(out);
    return;
  }
  done_ = true;
  if (search == mcp::EndpointSearch::found) {
    pass_event(event, out);
  } else {
    out += held_;
  }
  release(held_);
}

void EndpointTap::finish(std::string& out) {
  done_ = true;
  out += held_;
  release(held_);
}

// Whole comment and empty lines before the event are not part of it: they keep the client awake.
void EndpointTap::pass_comments(std::string& out) {
  std::size_t settled = 0;
  while (true) {
    const std::size_t end = held_.find_first_of("\r\n", settled);
    // A CR that comes last may have its LF still to come.
    if (end == std::string::npos || (held_[end] == '\r' && end + 1 == held_.size())) break;
    const bool is_comment = end == settled || held_[settled] == ':';
    if (!is_comment) break;
    settled = end + (held_.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  out.append(held_, 0, settled);
  held_.erase(0, settled);
}

void EndpointTap::pass_event(const mcp::EndpointEvent& event, std::string& out) {
  const std::string_view stream = held_;
  const std::string_view uri = stream.substr(event.data_begin, event.data_size);
  const std::string_view without_fragment = uri.substr(0, uri.find('#'));
  const std::size_t query = without_fragment.find('?');
  std::string_view session;
  if (query != std::string_view::npos) {
    session = mcp::endpoint_session(without_fragment.substr(query + 1));
  }
  out += stream.substr(0, event.data_begin);
  // Only a path is relative to what the client sees; an absolute URL names its own host.
  if (!prefix_.empty() && uri.starts_with('/') && !uri.starts_with("//")) out += prefix_;
  std::size_t copied = event.data_begin;
  if (!session.empty()) {
    const auto begin = static_cast<std::size_t>(session.data() - stream.data());
    out += stream.substr(copied, begin - copied);
    out += on_session_(session);
    copied = begin + session.size();
  }
  out += stream.substr(copied);
}

}  // namespace mcplb::proxy
