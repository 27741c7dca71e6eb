// What the kernel knows about bytes that were sent. Apart from tcp_stream, because the kernel's
// header with the fields that are needed and the C library's cannot be included together.
#pragma once

#include <cstdint>

namespace mcplb::net {

// For a socket whose read side ended with FIN: true when the peer's system acknowledged nothing
// beyond the first `written_before` bytes and answered what came later with RST. All terms are
// needed: acknowledgements may lag behind bytes that the application has read already.
bool nothing_delivered(int fd, std::uint64_t written_before);

}  // namespace mcplb::net
