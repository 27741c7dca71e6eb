// The admin listener.
#pragma once

#include <string>

namespace mcplb::admin {

struct Settings {
  std::string address = "127.0.0.1:9180";  // not loopback: a token is required
  std::string token;                       // Authorization: Bearer; empty: none asked
};

}  // namespace mcplb::admin
