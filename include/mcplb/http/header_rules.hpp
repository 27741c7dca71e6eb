// Which fields concern one connection only and never travel on (RFC 9110 §7.6.1).
#pragma once

#include <string_view>

#include "mcplb/http/head.hpp"

namespace mcplb::http {

// The fields that end at this hop: the fixed set, and those that `Connection` names.
class HopByHop {
 public:
  explicit HopByHop(const Fields& fields);
  bool covers(const Field& field) const;

 private:
  std::string_view nominated_;  // the first such name; empty when Connection adds nothing
  const Fields& fields_;
};

// True when `Connection` names a field that must not be dropped at the sender's wish: Host,
// Authorization, Cookie, Content-*, Mcp-*, X-Forwarded-* and the like. Such a request is refused.
bool nominates_end_to_end_field(const Fields& fields);

}  // namespace mcplb::http
