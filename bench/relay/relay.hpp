// A relay that only copies bytes between two sockets: what no proxy can do with less. One thread,
// epoll, one connection to the backend for each of a client. Nothing is parsed.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mcplb::bench {

// IP:PORT. False when it is none.
bool parse_endpoint(std::string_view text, sockaddr_in& out);

class Relay {
 public:
  Relay();
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Returns the port that it listens on, 0 when it cannot.
  std::uint16_t listen(const sockaddr_in& address, const sockaddr_in& to);
  // Until the process is ended, or until epoll fails.
  void run();

 private:
  struct End;
  void accept();
  void on_event(int fd, std::uint32_t events);
  void copy(End& from);
  void flush(End& to);
  void watch(int fd, std::uint32_t events);
  void close(End& end);

  int epoll_ = -1;
  int listener_ = -1;
  sockaddr_in to_{};
  std::vector<std::unique_ptr<End>> ends_;  // by file descriptor
  std::vector<char> buffer_;
};

}  // namespace mcplb::bench
