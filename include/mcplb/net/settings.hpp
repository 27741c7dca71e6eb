// Where we listen.
#pragma once

#include <string>

namespace mcplb::net {

struct ListenerSettings {
  std::string address = "127.0.0.1:8080";  // host:port, [v6]:port or unix:/path; port 0: any free
  std::string name = "main";
};

}  // namespace mcplb::net
