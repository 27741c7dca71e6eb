#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/net/tcp.hpp"

namespace mcplb::net {

struct Acceptor::State {
  // Freed in the close callback; `state` is cleared when the acceptor dies first.
  struct Handle {
    uv_poll_t poll{};
    uv_timer_t pause{};
    int open_handles = 0;
    State* state = nullptr;
  };

  int fd = -1;
  Address local;
  std::string unix_path;  // removed at the end
  OnAccept on_accept;
  Handle* handle = nullptr;  // owned by libuv until its close callbacks

  ~State();
  void start(Loop& loop);
  void watch();
  void accept_some();
  void pause_accepting(int code);
};

namespace {

constexpr int backlog = 4096;

Error listen_error(const char* what) {
  return {Error::Kind::config, Error::Side::self, errno, what};
}

// A path left behind by a process that is gone may be taken over; a live one may not.
void remove_stale_socket(const Address& address, const std::string& path) {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  const bool nobody_listens =
      ::connect(probe, address.get(), address.size()) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  if (nobody_listens) ::unlink(path.c_str());
}

Result<Address> parse_listen_address(std::string_view text) {
  if (text.starts_with("unix:")) return Address::from_unix_path(text.substr(5));
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string_view::npos ? std::nullopt
                                                    : parse_decimal(text.substr(colon + 1));
  if (!port || *port > 65535) {
    return Error{Error::Kind::config, Error::Side::self, 0, "address needs host:port"};
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (host == "*" || host.empty()) host = "0.0.0.0";
  return Address::from_ip(host, static_cast<std::uint16_t>(*port));
}

Address bound_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return {reinterpret_cast<const sockaddr*>(&storage), size};
}

}  // namespace

Result<std::unique_ptr<Acceptor>> Acceptor::listen(Loop& loop, const ListenerSettings& settings,
                                                   OnAccept on_accept) {
  loop.assert_here();
  auto address = parse_listen_address(settings.address);
  if (!address) return address.error();
  auto state = std::make_unique<State>();
  state->on_accept = std::move(on_accept);
  const int kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  state->fd = ::socket(address->family(), kind, 0);
  if (state->fd < 0) return listen_error("no socket");
  const int yes = 1;
  const int no = 0;
  if (address->is_unix()) {
    remove_stale_socket(*address, settings.address.substr(5));
  } else {
    setsockopt(state->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  }
  // "[::]" accepts IPv4 as well, as operators of containers expect.
  if (address->family() == AF_INET6) {
    setsockopt(state->fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  }
  if (::bind(state->fd, address->get(), address->size()) != 0) {
    return listen_error("address cannot be bound");
  }
  if (address->is_unix()) state->unix_path = settings.address.substr(5);
  if (::listen(state->fd, backlog) != 0) return listen_error("cannot listen");
  state->local = address->is_unix() ? *address : bound_address(state->fd);
  state->start(loop);
  return std::unique_ptr<Acceptor>(new Acceptor(std::move(state)));
}

Acceptor::Acceptor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Acceptor::~Acceptor() = default;
const Address& Acceptor::local_address() const { return state_->local; }

void Acceptor::State::start(Loop& loop) {
  handle = new Handle;  // NOLINT(cppcoreguidelines-owning-memory): freed in the close callback
  handle->state = this;
  handle->poll.data = handle;
  handle->pause.data = handle;
  uv_poll_init(loop.raw(), &handle->poll, fd);
  uv_timer_init(loop.raw(), &handle->pause);
  handle->open_handles = 2;
  watch();
}

Acceptor::State::~State() {
  if (handle != nullptr) {
    handle->state = nullptr;
    const auto freed = [](uv_handle_t* closed) {
      auto* const self = static_cast<Handle*>(closed->data);
      if (--self->open_handles == 0) const std::unique_ptr<Handle> last_owner(self);
    };
    uv_poll_stop(&handle->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(&handle->poll), freed);
    uv_close(reinterpret_cast<uv_handle_t*>(&handle->pause), freed);
  }
  if (fd >= 0) ::close(fd);
  if (!unix_path.empty()) ::unlink(unix_path.c_str());
}

void Acceptor::State::watch() {
  uv_poll_start(&handle->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
    State* const state = static_cast<Handle*>(poll->data)->state;
    if (state != nullptr) state->accept_some();
  });
}

void Acceptor::State::accept_some() {
  for (int i = 0; i < limits::accepts_per_turn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int accepted = ::accept4(fd, reinterpret_cast<sockaddr*>(&peer), &size,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
      const bool out_of_files =
          errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (out_of_files) pause_accepting(errno);
      return;
    }
    Accepted connection;
    connection.fd = accepted;
    connection.peer = local.is_unix() ? local
                                      : Address(reinterpret_cast<const sockaddr*>(&peer), size);
    connection.local = local;
    on_accept(std::move(connection));
  }
}

// The socket stays readable, so the loop would spin; others wait in the backlog meanwhile.
void Acceptor::State::pause_accepting(int code) {
  log::event(LogLevel::error, "accept_paused", "listener", local.text(), "reason",
             std::strerror(code), "for_ms", limits::accept_pause.count());
  uv_poll_stop(&handle->poll);
  const auto resume = [](uv_timer_t* timer) {
    State* const state = static_cast<Handle*>(timer->data)->state;
    if (state != nullptr) state->watch();
  };
  uv_timer_start(&handle->pause, resume, static_cast<std::uint64_t>(limits::accept_pause.count()),
                 0);
}

}  // namespace mcplb::net
