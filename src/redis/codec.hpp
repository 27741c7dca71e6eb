// Bytes to replies. The one place, with command.hpp, behind which hiredis is.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "mcplb/base/result.hpp"
#include "mcplb/redis/reply.hpp"

namespace mcplb::redis {

// Takes a connection's bytes as they come and hands out whole replies. Holds at most
// limits::redis_reply_bytes_max of a reply that is not whole; sizes that the server merely claims
// allocate nothing. After an error it is of no more use.
class ReplyDecoder {
 public:
  ReplyDecoder();
  ~ReplyDecoder();
  ReplyDecoder(const ReplyDecoder&) = delete;
  ReplyDecoder& operator=(const ReplyDecoder&) = delete;

  void feed(std::string_view bytes);
  // The next whole reply, or nothing before more bytes came. Errors: malformed, overloaded.
  Result<std::optional<Reply>> next();
  // No reply has begun.
  bool empty() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mcplb::redis
