#include "support/raw_socket.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "mcplb/base/assert.hpp"

namespace mcplb::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A test that waits for nothing fails instead of hanging.
void limit_waits(int fd) {
  const timeval limit{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

RawSocket::RawSocket(RawSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      error_(other.error_) {}

RawSocket& RawSocket::operator=(RawSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(error_, other.error_);
  return *this;
}

RawSocket RawSocket::connect_to_port(std::uint16_t port) {
  RawSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_waits(socket.fd_);
  const sockaddr_in address = loopback(port);
  if (::connect(socket.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    socket.error_ = errno;
  }
  return socket;
}

RawSocket RawSocket::connect_to_path(const std::string& path) {
  RawSocket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_waits(socket.fd_);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  MCPLB_ASSERT(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(socket.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    socket.error_ = errno;
  }
  return socket;
}

int RawSocket::release() {
  return std::exchange(fd_, -1);
}

void RawSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      error_ = errno;
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void RawSocket::send_urgent(char byte) {
  if (::send(fd_, &byte, 1, MSG_NOSIGNAL | MSG_OOB) != 1) error_ = errno;
}

std::string RawSocket::receive(std::size_t bytes_max) {
  std::string bytes(bytes_max, '\0');
  const ssize_t received = ::recv(fd_, bytes.data(), bytes.size(), 0);
  error_ = received < 0 ? errno : 0;
  bytes.resize(received > 0 ? static_cast<std::size_t>(received) : 0);
  return bytes;
}

void RawSocket::shutdown_write() {
  ::shutdown(fd_, SHUT_WR);
}

void RawSocket::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void RawSocket::close_with_reset() {
  const linger no_wait{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait);
  close();
}

RawListener::RawListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  MCPLB_ASSERT(::bind(fd_, generic, size) == 0);
  MCPLB_ASSERT(::listen(fd_, 16) == 0);
  MCPLB_ASSERT(::getsockname(fd_, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  limit_waits(fd_);
}

RawListener::~RawListener() {
  ::close(fd_);
}

RawSocket RawListener::accept() {
  RawSocket socket(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
  MCPLB_ASSERT(socket.is_open());
  return socket;
}

}  // namespace mcplb::test
