// Whether the body of a reply is, byte for byte, what the backend answers to the request. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "texts/texts.hpp"

namespace mcplb::bench {

// Keeps its buffers: one per thread. The server's name is a view into the body, or into the
// checker until its next call. Nothing: the body is wrong.
class ReplyChecker {
 public:
  std::optional<std::string_view> result(std::string_view body, Tool tool, std::uint64_t id,
                                         bool modern);
  // The tool `events`: every notification and then the result. Comments between them are fine.
  std::optional<std::string_view> event_stream(std::string_view body, std::uint64_t id,
                                               bool modern);
  std::optional<std::string_view> initialize_result(std::string_view body, std::uint64_t id);
  std::optional<std::string_view> discover_result(std::string_view body, std::uint64_t id);
  bool empty_result(std::string_view body, std::uint64_t id);

 private:
  std::string id_;
  std::string tag_;
  std::string expected_;
  std::string data_;  // of the last event of a stream
};

}  // namespace mcplb::bench
