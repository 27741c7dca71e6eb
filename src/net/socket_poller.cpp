#include "net/socket_poller.hpp"

#include <unistd.h>

#include <cstdint>

#include "mcplb/base/assert.hpp"

namespace mcplb::net {

void PolledSocket::tell_again() {
  if (!linked()) poller->again_.push_back(*this);
}

void CloseThenFree::operator()(PolledSocket* socket) const {
  socket->owner = nullptr;
  ::close(socket->fd);
  socket->unlink();
  socket->poller->closed_.push_back(*socket);
}

SocketPoller::SocketPoller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { MCPLB_ASSERT(epoll_ >= 0); }

SocketPoller::~SocketPoller() {
  free_closed();
  ::close(epoll_);
}

void SocketPoller::free_closed() {
  while (!closed_.empty()) const std::unique_ptr<PolledSocket> last_owner(&closed_.front());
}

OwnedSocket SocketPoller::watch(int fd) {
  auto socket = std::make_unique<PolledSocket>();
  socket->poller = this;
  socket->fd = fd;
  epoll_event all{};
  all.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  all.data.ptr = socket.get();
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &all) != 0) {
    ::close(fd);
    return nullptr;
  }
  return OwnedSocket(socket.release());
}

void SocketPoller::set_other(int fd) {
  epoll_event input{};
  input.events = EPOLLIN;
  MCPLB_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &input) == 0);
}

void SocketPoller::wait(int timeout_ms) {
  events_count_ = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()),
                             again_.empty() ? timeout_ms : 0);
}

bool SocketPoller::tell() {
  IntrusiveList<PolledSocket> again;
  again.splice(again_);
  bool other = false;
  for (int i = 0; i < events_count_; ++i) {  // -1: a signal came
    const epoll_event& event = events_[static_cast<std::size_t>(i)];
    auto* const socket = static_cast<PolledSocket*>(event.data.ptr);
    if (socket == nullptr) {
      other = true;
      continue;
    }
    constexpr std::uint32_t broken = EPOLLERR | EPOLLHUP;
    constexpr std::uint32_t ending = EPOLLRDHUP | EPOLLPRI | broken;
    if ((event.events & (EPOLLIN | ending)) != 0) socket->readable = true;
    if ((event.events & (EPOLLOUT | broken)) != 0) socket->writable = true;
    if ((event.events & ending) != 0) socket->ending = true;
    if (socket->owner == nullptr) continue;
    socket->unlink();  // told now, not again below
    socket->owner->on_ready();
  }
  while (!again.empty()) {
    PolledSocket& socket = again.front();
    socket.unlink();
    if (socket.owner != nullptr) socket.owner->on_ready();
  }
  free_closed();
  return other;
}

}  // namespace mcplb::net
