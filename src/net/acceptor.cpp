#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/net/tcp.hpp"

#include "net/socket_poller.hpp"

namespace mcplb::net {

struct Acceptor::State final : PolledSocket::Owner, Timer {
  explicit State(Loop& on) : loop(on) {}
  ~State() override;

  Loop& loop;
  OwnedSocket socket;
  Address local;
  std::string unix_path;  // removed at the end
  OnAccept on_accept;

  Result<void> listen(const ListenerSettings& settings);
  void on_ready() override;
  void on_timer() override { socket->tell_again(); }
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
  auto state = std::make_unique<State>(loop);
  state->on_accept = std::move(on_accept);
  auto listening = state->listen(settings);
  if (!listening) return listening.error();
  return std::unique_ptr<Acceptor>(new Acceptor(std::move(state)));
}

Acceptor::Acceptor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Acceptor::~Acceptor() = default;
const Address& Acceptor::local_address() const { return state_->local; }

Result<void> Acceptor::State::listen(const ListenerSettings& settings) {
  auto address = parse_listen_address(settings.address);
  if (!address) return address.error();
  const int kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const int fd = ::socket(address->family(), kind, 0);
  if (fd < 0) return listen_error("no socket");
  socket = loop.sockets().watch(fd);
  if (!socket) return listen_error("socket cannot be used");
  socket->owner = this;
  const int yes = 1;
  const int no = 0;
  if (address->is_unix()) {
    remove_stale_socket(*address, settings.address.substr(5));
  } else {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  }
  // "[::]" accepts IPv4 as well, as operators of containers expect.
  if (address->family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  if (::bind(fd, address->get(), address->size()) != 0) {
    return listen_error("address cannot be bound");
  }
  if (address->is_unix()) unix_path = settings.address.substr(5);
  if (::listen(fd, backlog) != 0) return listen_error("cannot listen");
  local = address->is_unix() ? *address : bound_address(fd);
  return {};
}

Acceptor::State::~State() {
  socket.reset();
  if (!unix_path.empty()) ::unlink(unix_path.c_str());
}

void Acceptor::State::on_ready() {
  if (armed()) return;  // a pause
  for (int i = 0; i < limits::accepts_per_turn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int accepted = ::accept4(socket->fd, reinterpret_cast<sockaddr*>(&peer), &size,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
      const bool out_of_files =
          errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (out_of_files) pause_accepting(errno);
      if (out_of_files || errno == EAGAIN || errno == EWOULDBLOCK) return;
      continue;  // one that left while it waited
    }
    Accepted connection;
    connection.fd = accepted;
    connection.peer = local.is_unix() ? local
                                      : Address(reinterpret_cast<const sockaddr*>(&peer), size);
    connection.local = local;
    on_accept(std::move(connection));
  }
  socket->tell_again();  // more may wait
}

// No connection that waits is told of again; others wait in the backlog meanwhile.
void Acceptor::State::pause_accepting(int code) {
  log::event(LogLevel::error, "accept_paused", "listener", local.text(), "reason",
             std::strerror(code), "for_ms", limits::accept_pause.count());
  loop.timers().arm(*this, loop.timers().in(limits::accept_pause));
}

}  // namespace mcplb::net
