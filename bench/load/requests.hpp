// The bytes of the generator's requests, in both eras. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "load/scenario.hpp"

namespace mcplb::bench {

// A session of ours: empty id when it is not open.
struct Session {
  std::string id;
  std::string server;         // who opened it, hence who has to answer
  std::uint64_t opening = 0;  // counts how often it was opened
};

// Appends whole requests. Keeps its buffers: one per connection or thread.
class Requests {
 public:
  explicit Requests(const Scenario& scenario);

  void initialize(std::string& out, std::uint64_t id);
  void initialized(std::string& out, const Session& session);
  // `tag` comes back in the result. A modern one ignores the session.
  void call(std::string& out, const Session& session, const MixItem& item, std::uint64_t id);
  void ping(std::string& out, const Session& session, std::uint64_t id);
  void discover(std::string& out, std::uint64_t id);
  void open_stream(std::string& out, const Session& session);
  void remove(std::string& out, const Session& session);

 private:
  void post(std::string& out, const Session& session);
  void begin_body(std::uint64_t id, std::string_view method);

  const bool modern_;
  std::string post_line_;  // "POST /mcp HTTP/1.1\r\n", and so on
  std::string get_line_;
  std::string delete_line_;
  std::string fields_;       // of every request
  std::string post_fields_;  // of every POST
  std::string mirrored_;     // Mcp-Method and Mcp-Name of the request that is being made
  std::string body_;
};

// The tag that the call with that id carries: it differs from the id, so that a reply is only right
// when both are.
std::string tag_of(std::uint64_t id);

}  // namespace mcplb::bench
