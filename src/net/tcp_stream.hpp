// A Stream over a libuv TCP or pipe handle.
#pragma once

#include <uv.h>

#include <memory>
#include <string>

#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"

namespace mcplb::net {

class TcpStream;

// What libuv may still use after its owner has gone: freed in the close callback.
struct SocketHandle {
  union {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  uv_connect_t connect_request{};
  uv_write_t write_request{};
  uv_shutdown_t shutdown_request{};
  std::string writing;         // bytes of the one write in progress
  TcpStream* owner = nullptr;  // cleared when the stream dies first
  bool write_in_progress = false;

  SocketHandle() : tcp{} {}
};

struct CloseThenFree {
  void operator()(SocketHandle* handle) const;
};
using OwnedHandle = std::unique_ptr<SocketHandle, CloseThenFree>;

class TcpStream final : public Stream {
 public:
  // `handle` is connected.
  TcpStream(Loop& loop, OwnedHandle handle);
  ~TcpStream() override;

  void shutdown_write() override;
  void reset_on_close() override { reset_on_close_ = true; }
  bool is_quiet() override;
  bool proves_nothing_delivered(std::uint64_t written_before) override;

 private:
  std::ptrdiff_t try_write(const Slices& bytes) override;
  void queue_write(std::string rest) override;
  void set_reading(bool on) override;
  static void on_alloc(uv_handle_t* handle, std::size_t suggested, uv_buf_t* out);
  static void on_read(uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer);
  static void on_written(uv_write_t* request, int status);
  bool was_reset() const;

  OwnedHandle handle_;
  int fd_ = -1;  // the handle's
  bool reset_on_close_ = false;
};

}  // namespace mcplb::net
