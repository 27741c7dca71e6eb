#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "mcplb/net/tcp.hpp"
#include "net/tcp_stream.hpp"

namespace mcplb::net {
namespace {

Error connect_error(int code) {
  switch (code) {
    case ECONNREFUSED:
    case ENOENT:  // no such unix socket
      return {Error::Kind::refused, Error::Side::backend, code, "connection refused"};
    case EHOSTUNREACH:
    case ENETUNREACH:
      return {Error::Kind::unreachable, Error::Side::backend, code, "address unreachable"};
    case ETIMEDOUT:
      return {Error::Kind::timeout, Error::Side::backend, code, "connect timed out"};
    case ECONNRESET:
      return {Error::Kind::refused, Error::Side::backend, code, "connection reset"};
    default: return {Error::Kind::failed, Error::Side::self, code, "connect failed"};
  }
}

void disable_nagle(int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

// Owns the socket until it is connected; dying earlier closes it.
class ConnectAwaiter final : private Timer, private PolledSocket::Owner {
 public:
  ConnectAwaiter(Loop& loop, const Address& address, Deadline deadline)
      : loop_(loop),
        address_(address),
        deadline_(deadline) {}
  ~ConnectAwaiter() override = default;
  ConnectAwaiter(const ConnectAwaiter&) = delete;
  ConnectAwaiter& operator=(const ConnectAwaiter&) = delete;

  bool await_ready() {
    const int kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const int fd = ::socket(address_.family(), kind, 0);
    if (fd < 0) {
      error_ = errno;
      return true;
    }
    if (!address_.is_unix()) disable_nagle(fd);
    // Before the watch: a refusal on loopback is known at once.
    const int failed = ::connect(fd, address_.get(), address_.size()) == 0 ? 0 : errno;
    socket_ = loop_.sockets().watch(fd);
    error_ = socket_ ? failed : EMFILE;
    return error_ != EINPROGRESS;
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    socket_->owner = this;
    loop_.timers().arm(*this, deadline_);
  }
  Result<std::unique_ptr<Stream>> await_resume() {
    if (error_ != 0) {
      socket_.reset();
      return connect_error(error_);
    }
    return std::unique_ptr<Stream>(std::make_unique<TcpStream>(loop_, std::move(socket_)));
  }

 private:
  void on_ready() override {
    if (!socket_->writable) return;
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(socket_->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    finish(code);
  }
  void on_timer() override { finish(ETIMEDOUT); }
  void finish(int code) {
    disarm();
    socket_->owner = nullptr;
    error_ = code;
    waiting_.resume();
  }

  Loop& loop_;
  Address address_;
  Deadline deadline_;
  OwnedSocket socket_;
  int error_ = 0;
  std::coroutine_handle<> waiting_;
};

}  // namespace

Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, Address address, Deadline deadline) {
  loop.assert_here();
  ConnectAwaiter awaiter(loop, address, deadline);
  auto connected = co_await awaiter;
  co_return connected;
}

Result<std::unique_ptr<Stream>> adopt_socket(Loop& loop, int fd, const Address& peer) {
  loop.assert_here();
  if (!peer.is_unix()) disable_nagle(fd);
  OwnedSocket socket = loop.sockets().watch(fd);
  if (!socket) return Error{Error::Kind::failed, Error::Side::self, 0, "socket cannot be used"};
  return std::unique_ptr<Stream>(std::make_unique<TcpStream>(loop, std::move(socket)));
}

Task<Result<std::unique_ptr<Stream>>> connect_host(Loop& loop, Resolver& resolver,
                                                   std::string host, std::uint16_t port,
                                                   Deadline deadline) {
  auto addresses = co_await resolver.resolve(std::move(host), port, deadline);
  if (!addresses) co_return addresses.error();
  Error last{Error::Kind::unreachable, Error::Side::backend, 0, "no address"};
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    const TimePoint now = loop.now();
    if (i > 0 && deadline.passed(now)) break;
    const bool is_last = i + 1 == addresses->size();
    const Deadline half = Deadline::at(now + (deadline.when() - now) / 2);
    const Deadline until = is_last ? deadline : half;
    const Address& address = addresses->at(i);
    auto stream = co_await connect(loop, address, until);
    if (stream) co_return stream;
    last = stream.error();
  }
  co_return last;
}

std::uint64_t raise_open_files_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace mcplb::net
