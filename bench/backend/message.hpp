// What the backend wants to know of a JSON-RPC message. No I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace mcplb::bench {

// Views into the body; they end with it, or with the next read().
struct Message {
  std::string_view id;      // as JSON; empty: a notification, or the answer to a request
  std::string_view method;  // empty: an answer
  std::string_view tool;    // params.name
  std::string_view tag;     // params.arguments.tag
  std::uint64_t ms = 0;     // params.arguments.ms
  std::uint64_t count = 1;  // of a command to /bench/emit
  std::uint64_t bytes = 200;
};

class MessageReader {
 public:
  MessageReader();
  ~MessageReader();
  MessageReader(const MessageReader&) = delete;
  MessageReader& operator=(const MessageReader&) = delete;

  // `body` has 64 bytes of room behind its end. False when it is not one JSON object.
  bool read(const std::string& body, Message& out);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace mcplb::bench
