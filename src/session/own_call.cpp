#include "session/own_call.hpp"

#include <utility>

#include "mcplb/base/metrics.hpp"
#include "mcplb/base/random.hpp"

namespace mcplb::session {

std::string random_id() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string id;
  for (const std::uint64_t bits : {secret_random64(), secret_random64()}) {
    for (int shift = 60; shift >= 0; shift -= 4)
      id += digits[bits >> shift & 15];
  }
  return id;
}

bool OwnReply::on_head(const wire::CallHead& head) {
  status_ = head.status;
  event_stream_ = head.event_stream;
  content_type_ = head.content_type;
  if (is_refusal(status_)) www_authenticate_ = head.www_authenticate;
  return wants_body(head);
}

bool OwnReply::on_content(std::string_view content) {
  bytes_ += content.size();
  too_large_ = bytes_ > limits::ask_reply_bytes_max;
  if (too_large_) {
    count_limit_hit(Limit::ask_reply_bytes);
    return false;
  }
  if (!event_stream_ || !is_success(status_)) {
    body_ += content;
    return true;
  }
  while (!content.empty()) {
    content.remove_prefix(events_.feed(content));
    if (events_.has_event() && !on_event(events_.data())) return false;
  }
  return true;
}

// The status says enough, also when the rest does not come.
Refusal OwnReply::take_refusal(bool whole) {
  Refusal refusal;
  refusal.status = status_;
  refusal.www_authenticate = std::move(www_authenticate_);
  if (!whole || too_large_) return refusal;
  refusal.content_type = std::move(content_type_);
  refusal.body = std::move(body_);
  return refusal;
}

}  // namespace mcplb::session
