#include <sys/resource.h>
#include <uv.h>

#include <algorithm>
#include <utility>

#include "mcplb/net/tcp.hpp"
#include "net/tcp_stream.hpp"

namespace mcplb::net {
namespace {

Error connect_error(int status) {
  const int code = -status;
  switch (status) {
    case UV_ECONNREFUSED:
      return {Error::Kind::refused, Error::Side::backend, code, "connection refused"};
    case UV_EHOSTUNREACH:
    case UV_ENETUNREACH:
      return {Error::Kind::unreachable, Error::Side::backend, code, "address unreachable"};
    case UV_ETIMEDOUT:
      return {Error::Kind::timeout, Error::Side::backend, code, "connect timed out"};
    case UV_ECONNRESET:
      return {Error::Kind::refused, Error::Side::backend, code, "connection reset"};
    default: return {Error::Kind::failed, Error::Side::self, code, "connect failed"};
  }
}

// Owns the handle until it is connected; dying earlier closes it.
class ConnectAwaiter final : private Timer {
 public:
  ConnectAwaiter(Loop& loop, const Address& address, Deadline deadline)
      : loop_(loop), address_(address), deadline_(deadline) {}
  ~ConnectAwaiter() override {
    if (handle_) handle_->connect_request.data = nullptr;
  }
  ConnectAwaiter(const ConnectAwaiter&) = delete;
  ConnectAwaiter& operator=(const ConnectAwaiter&) = delete;

  bool await_ready() {
    handle_.reset(new SocketHandle);  // NOLINT(cppcoreguidelines-owning-memory): freed on close
    uv_tcp_init(loop_.raw(), &handle_->tcp);
    handle_->connect_request.data = this;
    status_ = uv_tcp_connect(&handle_->connect_request, &handle_->tcp, address_.get(), &on_done);
    return status_ != 0;
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    loop_.timers().arm(*this, deadline_);
  }
  Result<std::unique_ptr<Stream>> await_resume() {
    if (status_ != 0) return connect_error(status_);
    uv_tcp_nodelay(&handle_->tcp, 1);
    return std::unique_ptr<Stream>(std::make_unique<TcpStream>(loop_, std::move(handle_)));
  }

 private:
  static void on_done(uv_connect_t* request, int status) {
    auto* const self = static_cast<ConnectAwaiter*>(request->data);
    if (self == nullptr) return;
    self->finish(status);
  }
  void on_timer() override {
    handle_->connect_request.data = nullptr;
    finish(UV_ETIMEDOUT);
  }
  void finish(int status) {
    disarm();
    status_ = status;
    waiting_.resume();
  }

  Loop& loop_;
  Address address_;
  Deadline deadline_;
  OwnedHandle handle_;
  int status_ = 0;
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
  OwnedHandle handle(new SocketHandle);  // NOLINT(cppcoreguidelines-owning-memory): freed on close
  int failed = 0;
  if (peer.is_unix()) {
    uv_pipe_init(loop.raw(), &handle->pipe, 0);
    failed = uv_pipe_open(&handle->pipe, fd);
  } else {
    uv_tcp_init(loop.raw(), &handle->tcp);
    failed = uv_tcp_open(&handle->tcp, fd);
    uv_tcp_nodelay(&handle->tcp, 1);
  }
  if (failed != 0) {
    uv_fs_t request{};
    uv_fs_close(nullptr, &request, fd, nullptr);
    return Error{Error::Kind::failed, Error::Side::self, -failed, "socket cannot be used"};
  }
  return std::unique_ptr<Stream>(std::make_unique<TcpStream>(loop, std::move(handle)));
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
