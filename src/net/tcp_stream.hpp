// A Stream over a TCP or unix socket: our own recv() and send(), the loop's readiness.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>

#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"

#include "net/socket_poller.hpp"

namespace mcplb::net {

class TcpStream final : public Stream, private PolledSocket::Owner {
 public:
  // `socket` is connected.
  TcpStream(Loop& loop, OwnedSocket socket);
  ~TcpStream() override;

  void shutdown_write() override;
  void reset_on_close(bool on) override { reset_on_close_ = on; }
  bool write_pending() const override { return queued_ != nullptr; }
  bool is_quiet() override;
  bool proves_nothing_delivered(std::uint64_t written_before) override;

 private:
  std::size_t unacknowledged() const override;
  std::ptrdiff_t try_write(const Slices& bytes) override;
  void queue_write(std::string rest) override;
  void set_reading(bool on) override;
  void fetch() override;
  void on_ready() override;
  void read_some();
  void write_some();
  ssize_t receive(const Buffer::Room& room);
  std::ptrdiff_t send(iovec* pieces, std::size_t count, std::size_t bytes);

  // Of the one write that the socket did not take at once.
  struct Queued {
    std::string bytes;
    std::size_t sent = 0;
    std::size_t left() const { return bytes.size() - sent; }
  };

  OwnedSocket socket_;
  std::unique_ptr<Queued> queued_;  // null: the socket has taken all there was
  int broken_ = 0;  // errno of a write that failed: the next end is a reset
  bool reading_ = false;
  bool reset_on_close_ = false;
};

}  // namespace mcplb::net
