#include "net/delivery.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace mcplb::net {

bool nothing_delivered(int fd, std::uint64_t written_before) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  if (size < offsetof(tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked) return false;
  constexpr int state_closed = 7;       // TCP_CLOSE in the kernel's numbering
  constexpr std::uint64_t syn_byte = 1;  // bytes_acked counts the SYN
  return info.tcpi_state == state_closed && info.tcpi_bytes_acked <= written_before + syn_byte;
}

}  // namespace mcplb::net
