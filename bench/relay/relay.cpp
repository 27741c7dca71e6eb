#include "relay/relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "mcplb/base/text.hpp"

namespace mcplb::bench {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{64} * 1024;
constexpr int backlog = 4096;
constexpr std::size_t events_max = 512;

}  // namespace

struct Relay::End {
  int fd = -1;
  int peer = -1;
  std::string unsent;  // what the peer wrote and this end's socket has not taken
  bool reading = true;

  std::uint32_t wanted() const {
    constexpr std::uint32_t in = EPOLLIN;
    constexpr std::uint32_t out = EPOLLOUT;
    return (reading ? in : 0) | (unsent.empty() ? 0 : out);
  }
};

bool parse_endpoint(std::string_view text, sockaddr_in& out) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto port = parse_decimal(text.substr(colon + 1));
  if (!port || *port > 65'535) return false;
  out = {};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(*port));
  return inet_pton(AF_INET, std::string(text.substr(0, colon)).c_str(), &out.sin_addr) == 1;
}

Relay::Relay() : epoll_(epoll_create1(EPOLL_CLOEXEC)), buffer_(buffer_bytes) {}

Relay::~Relay() {
  for (const auto& end : ends_) {
    if (end) ::close(end->fd);
  }
  if (listener_ >= 0) ::close(listener_);
  if (epoll_ >= 0) ::close(epoll_);
}

std::uint16_t Relay::listen(const sockaddr_in& address, const sockaddr_in& to) {
  to_ = to;
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in bound = address;
  socklen_t size = sizeof bound;
  auto* const any = reinterpret_cast<sockaddr*>(&bound);
  if (bind(listener_, any, size) != 0 || ::listen(listener_, backlog) != 0) return 0;
  if (getsockname(listener_, any, &size) != 0) return 0;
  watch(listener_, EPOLLIN);
  return ntohs(bound.sin_port);
}

void Relay::watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT)
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void Relay::run() {
  std::array<epoll_event, events_max> events{};
  while (true) {
    const int count = epoll_wait(epoll_, events.data(), events_max, -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events.at(static_cast<std::size_t>(i));
      if (event.data.fd == listener_) accept();
      else on_event(event.data.fd, event.events);
    }
  }
}

void Relay::accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) return;
  const int backend = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // On loopback, connecting does not wait.
  if (backend < 0 || ::connect(backend, reinterpret_cast<sockaddr*>(&to_), sizeof to_) != 0) {
    ::close(client);
    if (backend >= 0) ::close(backend);
    return;
  }
  fcntl(backend, F_SETFL, O_NONBLOCK);
  const int one = 1;
  for (const auto& [fd, peer] : {std::pair(client, backend), std::pair(backend, client)}) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (static_cast<std::size_t>(fd) >= ends_.size())
      ends_.resize(static_cast<std::size_t>(fd) + 1);
    ends_[static_cast<std::size_t>(fd)] = std::make_unique<End>(End{fd, peer, {}, true});
    watch(fd, EPOLLIN);
  }
}

void Relay::on_event(int fd, std::uint32_t events) {
  const auto index = static_cast<std::size_t>(fd);
  // It may have been closed by an event before this one.
  if (index >= ends_.size() || !ends_[index]) return;
  End& end = *ends_[index];
  if ((events & EPOLLOUT) != 0) flush(end);
  if (ends_[index] && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) copy(end);
}

void Relay::copy(End& from) {
  const ssize_t got = ::recv(from.fd, buffer_.data(), buffer_.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    close(from);
    return;
  }
  End& to = *ends_[static_cast<std::size_t>(from.peer)];
  const auto size = static_cast<std::size_t>(got);
  const ssize_t sent = ::send(to.fd, buffer_.data(), size, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) {
    close(from);
    return;
  }
  const auto done = static_cast<std::size_t>(sent > 0 ? sent : 0);
  if (done == size) return;
  // A slow reader stops the other side: at most one buffer is kept.
  to.unsent.assign(buffer_.data() + done, size - done);
  from.reading = false;
  watch(from.fd, from.wanted());
  watch(to.fd, to.wanted());
}

void Relay::flush(End& to) {
  const ssize_t sent = ::send(to.fd, to.unsent.data(), to.unsent.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return;
  if (sent < 0) {
    close(to);
    return;
  }
  to.unsent.erase(0, static_cast<std::size_t>(sent));
  if (!to.unsent.empty()) return;
  End& from = *ends_[static_cast<std::size_t>(to.peer)];
  from.reading = true;
  watch(to.fd, to.wanted());
  watch(from.fd, from.wanted());
}

void Relay::close(End& end) {
  const auto index = static_cast<std::size_t>(end.fd);
  const auto peer = static_cast<std::size_t>(end.peer);
  ::close(end.fd);
  ::close(end.peer);
  ends_[peer].reset();
  ends_[index].reset();
}

}  // namespace mcplb::bench
