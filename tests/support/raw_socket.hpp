// Plain blocking sockets, for playing a peer that does exactly what a test says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mcplb::test {

class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int fd) : fd_(fd) {}
  RawSocket(RawSocket&& other) noexcept;
  RawSocket& operator=(RawSocket&& other) noexcept;
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;
  ~RawSocket() { close(); }

  static RawSocket connect_to_port(std::uint16_t port);
  static RawSocket connect_to_path(const std::string& path);

  bool is_open() const { return fd_ >= 0; }
  int release();  // the caller owns the descriptor then
  void send(std::string_view bytes);
  void send_urgent(char byte);  // out of band: readers in order do not see it
  // Up to `bytes_max` of what arrives within five seconds. Empty at the end or on an error, which
  // error() names.
  std::string receive(std::size_t bytes_max = 64 * 1024);
  int error() const { return error_; }
  void shutdown_write();
  void close();
  void close_with_reset();

 private:
  int fd_ = -1;
  int error_ = 0;
};

// Listens on a free port of 127.0.0.1; the kernel answers handshakes also before accept().
class RawListener {
 public:
  RawListener();
  ~RawListener();
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;

  std::uint16_t port() const { return port_; }
  RawSocket accept();

 private:
  int fd_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace mcplb::test
