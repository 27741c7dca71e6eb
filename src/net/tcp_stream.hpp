// A Stream over a TCP or unix socket: our own recv() and send(), libuv's readiness.
#pragma once

#include <uv.h>

#include <cstddef>
#include <memory>
#include <string>

#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"

namespace mcplb::net {

// A socket and libuv's watch on it. The watch may still be in use after its owner has gone, so it
// is an allocation of its own, freed in its close callback.
struct SocketHandle {
  // Told what the socket is ready for. May destroy itself, and the handle with it.
  class Owner {
   public:
    virtual void on_ready(bool readable, bool writable) = 0;
    // The watch has ended, because there is an error on the socket; on_ready() was told before.
    virtual void on_watch_ended() = 0;

   protected:
    ~Owner() = default;
  };

  uv_poll_t poll{};
  int fd = -1;
  Owner* owner = nullptr;  // cleared when the owner dies first

  // Replaces what is waited for. Costs system calls when it changes: rarely called.
  void wait_for(int events);
};

struct CloseThenFree {
  void operator()(SocketHandle* handle) const;
};
using OwnedHandle = std::unique_ptr<SocketHandle, CloseThenFree>;

// Takes over `fd`, which is closed with the handle or when this fails (null).
OwnedHandle watch_socket(Loop& loop, int fd);

class TcpStream final : public Stream, private SocketHandle::Owner {
 public:
  // `handle` is connected.
  TcpStream(Loop& loop, OwnedHandle handle);
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
  void on_ready(bool readable, bool writable) override;
  void on_watch_ended() override;
  void read_some();
  void write_some();
  int wanted() const;
  void watch_for_more();

  // Of the one write that the socket did not take at once.
  struct Queued {
    std::string bytes;
    std::size_t sent = 0;
    std::size_t left() const { return bytes.size() - sent; }
  };

  OwnedHandle handle_;
  std::unique_ptr<Queued> queued_;  // null: the socket has taken all there was
  int broken_ = 0;   // errno of a write that failed: the next end is a reset
  int watched_ = 0;  // what the handle waits for: what is wanted, or more for a while
  bool reading_ = false;
  bool reset_on_close_ = false;
};

}  // namespace mcplb::net
