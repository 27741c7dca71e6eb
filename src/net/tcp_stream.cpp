#include "net/tcp_stream.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <tuple>
#include <utility>

#include "mcplb/base/text.hpp"

#include "net/delivery.hpp"

namespace mcplb::net {
namespace {

// In a program with threads glibc's recv() and send() are points where a thread can be cancelled,
// which costs each call two locked instructions. No thread of ours is ever cancelled.
ssize_t receive_some(int fd, const Buffer::Room& room) {
  return ::syscall(SYS_recvfrom, fd, room.data, room.size, MSG_DONTWAIT, nullptr, nullptr);
}

ssize_t send_message(int fd, const msghdr& message) {
  return ::syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t send_bytes(int fd, const iovec& bytes) {
  return ::syscall(SYS_sendto, fd, bytes.iov_base, bytes.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT,
                   nullptr, 0);
}

// Negative: an errno. 0: the socket takes nothing now.
std::ptrdiff_t send_some(int fd, iovec* pieces, std::size_t count) {
  ssize_t written = 0;
  do {
    if (count == 1) {
      written = send_bytes(fd, pieces[0]);
    } else {
      msghdr message{};
      message.msg_iov = pieces;
      message.msg_iovlen = count;
      written = send_message(fd, message);
    }
  } while (written < 0 && errno == EINTR);
  if (written >= 0) return written;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

Error write_error(int code) {
  return {Error::Kind::reset, Error::Side::self, code, "connection broke while writing"};
}

}  // namespace

TcpStream::TcpStream(Loop& loop, OwnedSocket socket)
    : Stream(loop.timers(), loop.buffers()),
      socket_(std::move(socket)) {
  socket_->owner = this;
  start_reading();
}

TcpStream::~TcpStream() {
  if (!reset_on_close_) return;
  const linger no_wait{1, 0};
  setsockopt(socket_->fd, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait);
}

void TcpStream::set_reading(bool on) {
  reading_ = on;
  if (reading_ && socket_->readable) socket_->tell_again();
}

void TcpStream::on_ready() {
  const PolledSocket& socket = *socket_;
  // Input first: a peer that answers and closes before it has read all makes the write fail, and
  // its answer counts.
  if (socket.readable && reading_) read_some();
  // The awakened task may have destroyed this stream; the socket lives until the next turn.
  if (socket.owner == this && socket.writable && queued_) write_some();
}

// What the kernel says of a change is said once. Less than there was room for means that all has
// been read, and that the next bytes are a change, unless something else is among them.
ssize_t TcpStream::receive(const Buffer::Room& room) {
  const ssize_t count = receive_some(socket_->fd, room);
  if (count > 0) {
    socket_->readable = socket_->ending || static_cast<std::size_t>(count) == room.size;
  } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    socket_->readable = false;
  }
  if (socket_->readable && reading_) socket_->tell_again();
  return count;
}

// The last thing that it does is to wake whoever waits, who may destroy this stream.
void TcpStream::read_some() {
  const ssize_t count = receive(input().prepare());
  const int code = errno;
  if (count > 0) {
    bytes_arrived(static_cast<std::size_t>(count));
    return;
  }
  if (count < 0 && (code == EAGAIN || code == EWOULDBLOCK || code == EINTR)) {
    input().release_if_empty();
    return;
  }
  set_reading(false);
  if (count == 0 && broken_ == 0) {
    read_ended({Error::Kind::closed, Error::Side::self, 0, "peer closed the connection"});
  } else {
    const int why = broken_ != 0 ? broken_ : code;
    read_ended({Error::Kind::reset, Error::Side::self, why, "connection reset"});
  }
}

// An end is left for the loop to find.
void TcpStream::fetch() {
  const ssize_t count = receive(input().prepare());
  if (count > 0) note_fetched(static_cast<std::size_t>(count));
  input().release_if_empty();
}

// Only a socket that has refused something says when it takes more.
std::ptrdiff_t TcpStream::send(iovec* pieces, std::size_t count, std::size_t bytes) {
  const std::ptrdiff_t written = send_some(socket_->fd, pieces, count);
  if (written >= 0 && static_cast<std::size_t>(written) < bytes) socket_->writable = false;
  return written;
}

void TcpStream::write_some() {
  iovec rest{queued_->bytes.data() + queued_->sent, queued_->left()};
  const std::ptrdiff_t written = send(&rest, 1, queued_->left());
  if (written > 0) queued_->sent += static_cast<std::size_t>(written);
  if (written >= 0 && queued_->left() > 0) return;
  queued_.reset();
  if (written < 0) broken_ = static_cast<int>(-written);
  if (written < 0) {
    write_ended(write_error(static_cast<int>(-written)));
  } else {
    write_ended(std::nullopt);
  }
}

std::size_t TcpStream::unacknowledged() const {
  int bytes = 0;
  if (::ioctl(socket_->fd, SIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<std::size_t>(bytes) + (queued_ ? queued_->left() : 0);
}

std::ptrdiff_t TcpStream::try_write(const Slices& bytes) {
  // Left over from a flow that gave up waiting: what comes now must not overtake it.
  if (queued_) return -EBUSY;
  std::array<iovec, std::tuple_size_v<decltype(Slices::pieces)>> pieces{};
  std::size_t count = 0;
  std::size_t size = 0;
  for (const std::string_view piece : bytes.pieces) {
    if (piece.empty()) continue;
    // The kernel does not write through the pointer, its type only lacks the const.
    pieces[count++] = {const_cast<char*>(piece.data()), piece.size()};  // NOLINT
    size += piece.size();
  }
  return count == 0 ? 0 : send(pieces.data(), count, size);
}

void TcpStream::queue_write(std::string rest) {
  queued_ = std::make_unique<Queued>(Queued{std::move(rest), 0});
  if (socket_->writable) socket_->tell_again();
}

void TcpStream::shutdown_write() { ::shutdown(socket_->fd, SHUT_WR); }

bool TcpStream::is_quiet() {
  if (end() || !unread().empty()) return false;
  char byte = 0;
  const ssize_t got = ::recv(socket_->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool TcpStream::proves_nothing_delivered(std::uint64_t written_before) {
  return end() && end()->kind == Error::Kind::closed &&
         nothing_delivered(socket_->fd, written_before);
}

}  // namespace mcplb::net
