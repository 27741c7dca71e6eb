#include "net/tcp_stream.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "net/delivery.hpp"

namespace mcplb::net {

void CloseThenFree::operator()(SocketHandle* handle) const {
  handle->owner = nullptr;
  handle->any.data = handle;
  uv_close(&handle->any, [](uv_handle_t* closed) {
    const std::unique_ptr<SocketHandle> last_owner(static_cast<SocketHandle*>(closed->data));
  });
}

TcpStream::TcpStream(Loop& loop, OwnedHandle handle)
    : Stream(loop.timers(), loop.buffers()), handle_(std::move(handle)) {
  handle_->owner = this;
  handle_->any.data = handle_.get();
  uv_fileno(&handle_->any, &fd_);
  start_reading();
}

TcpStream::~TcpStream() {
  if (!reset_on_close_) return;
  const linger no_wait{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait);
}

// libuv reports an end after the last bytes also when it was a reset. The socket still knows: a
// FIN that was received reads as an end, whatever came after it.
bool TcpStream::was_reset() const {
  char byte = 0;
  return ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

void TcpStream::set_reading(bool on) {
  if (on) {
    uv_read_start(&handle_->stream, &TcpStream::on_alloc, &TcpStream::on_read);
  } else {
    uv_read_stop(&handle_->stream);
  }
}

void TcpStream::on_alloc(uv_handle_t* handle, std::size_t /*suggested*/, uv_buf_t* out) {
  const auto* socket = static_cast<SocketHandle*>(handle->data);
  const Buffer::Room room = socket->owner->input().prepare();
  *out = uv_buf_init(room.data, static_cast<unsigned>(room.size));
}

void TcpStream::on_read(uv_stream_t* handle, ssize_t count, const uv_buf_t* /*buffer*/) {
  TcpStream* const self = static_cast<SocketHandle*>(handle->data)->owner;
  if (count > 0) {
    self->bytes_arrived(static_cast<std::size_t>(count));
  } else if (count == 0) {
    self->input().release_if_empty();
  } else if (count == UV_EOF && !self->was_reset()) {
    self->read_ended({Error::Kind::closed, Error::Side::self, 0, "peer closed the connection"});
  } else {
    const int code = count == UV_EOF ? ECONNRESET : static_cast<int>(-count);
    self->read_ended({Error::Kind::reset, Error::Side::self, code, "connection reset"});
  }
}

// The socket itself and not uv_try_write(): send() is the shorter way through the kernel.
std::ptrdiff_t TcpStream::try_write(const Slices& bytes) {
  // Left over from a flow that gave up waiting: what comes now must not overtake it.
  if (handle_->write_in_progress) return -EBUSY;
  std::array<iovec, std::tuple_size_v<decltype(Slices::pieces)>> pieces{};
  std::size_t count = 0;
  for (const std::string_view piece : bytes.pieces) {
    if (piece.empty()) continue;
    // The kernel does not write through the pointer, its type only lacks the const.
    pieces[count++] = {const_cast<char*>(piece.data()), piece.size()};  // NOLINT
  }
  if (count == 0) return 0;
  ssize_t written = 0;
  do {
    if (count == 1) {
      written = ::send(fd_, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      msghdr message{};
      message.msg_iov = pieces.data();
      message.msg_iovlen = count;
      written = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  } while (written < 0 && errno == EINTR);
  if (written >= 0) return written;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

void TcpStream::queue_write(std::string rest) {
  SocketHandle& socket = *handle_;
  MCPLB_ASSERT(!socket.write_in_progress);
  socket.writing = std::move(rest);
  socket.write_in_progress = true;
  socket.write_request.data = &socket;
  const uv_buf_t buffer =
      uv_buf_init(socket.writing.data(), static_cast<unsigned>(socket.writing.size()));
  const int failed = uv_write(&socket.write_request, &socket.stream, &buffer, 1, &on_written);
  if (failed != 0) on_written(&socket.write_request, failed);
}

void TcpStream::on_written(uv_write_t* request, int status) {
  auto* const socket = static_cast<SocketHandle*>(request->data);
  socket->write_in_progress = false;
  socket->writing = std::string();
  TcpStream* const self = socket->owner;
  if (self == nullptr) return;
  if (status == 0) {
    self->write_ended(std::nullopt);
  } else {
    self->write_ended(Error{Error::Kind::reset, Error::Side::self, -status,
                            "connection broke while writing"});
  }
}

void TcpStream::shutdown_write() {
  handle_->shutdown_request.data = handle_.get();
  uv_shutdown(&handle_->shutdown_request, &handle_->stream, [](uv_shutdown_t*, int) {});
}

bool TcpStream::is_quiet() {
  if (end() || !unread().empty()) return false;
  char byte = 0;
  const ssize_t got = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool TcpStream::proves_nothing_delivered(std::uint64_t written_before) {
  return end() && end()->kind == Error::Kind::closed && nothing_delivered(fd_, written_before);
}

}  // namespace mcplb::net
