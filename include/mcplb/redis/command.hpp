// Commands, ready to be sent.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace mcplb::redis {

// One command as the bytes on the wire. Arguments are binary safe and copied.
//
//   const redis::Command command({"HGET", key, "owner"});
//   auto reply = co_await client.command(command, client.in_time());
class Command {
 public:
  explicit Command(std::span<const std::string_view> words);
  Command(std::initializer_list<std::string_view> words)
      : Command(std::span<const std::string_view>(words.begin(), words.size())) {}

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// A Lua script. A constant of the program: outlives every client that runs it.
class Script {
 public:
  explicit Script(std::string_view source) : source_(source) {}
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;
  std::string_view source() const { return source_; }

 private:
  std::string_view source_;  // static text
};

}  // namespace mcplb::redis
