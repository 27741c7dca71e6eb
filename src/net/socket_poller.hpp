// Tells of all sockets of a loop what they are ready for, once for each change: epoll, triggered by
// edges. libuv asks by levels, which makes the kernel look at every socket twice for each message.
// One per loop, used on its thread only.
#pragma once

#include <array>
#include <memory>

#include <sys/epoll.h>

#include "mcplb/base/intrusive_list.hpp"

namespace mcplb::net {

class SocketPoller;

// A socket that is watched from here to its end. It may be in use by the poller when its owner lets
// go of it, so it is an allocation of its own, freed at the end of the poller's turn.
struct PolledSocket : ListNode {
  // Told what the socket is ready for. May destroy itself, and the socket with it.
  class Owner {
   public:
    virtual void on_ready() = 0;

   protected:
    ~Owner() = default;
  };

  // Tells the owner at the next turn once more: no edge will say what it may do still.
  void tell_again();

  SocketPoller* poller = nullptr;
  Owner* owner = nullptr;  // cleared when the owner dies first
  int fd = -1;
  bool readable = false;   // recv() may find something; cleared by whoever reads all
  bool writable = false;   // send() may take something; cleared by whom it has refused something
  bool ending = false;     // an end, an error or urgent data are among the input: not a short read,
                           // but only an empty one means that all has been read
};

struct CloseThenFree {
  void operator()(PolledSocket* socket) const;
};
using OwnedSocket = std::unique_ptr<PolledSocket, CloseThenFree>;

class SocketPoller {
 public:
  SocketPoller();
  ~SocketPoller();
  SocketPoller(const SocketPoller&) = delete;
  SocketPoller& operator=(const SocketPoller&) = delete;

  // Takes over `fd`, which is closed with the socket or when this fails (null). Of what it is ready
  // for already, the owner that it has at the next turn is told.
  OwnedSocket watch(int fd);
  // tell() returns true when this descriptor, of the rest of the loop, is readable.
  void set_other(int fd);
  // One turn: waits for up to `timeout_ms` (-1: for ever), and then tells the owners.
  void wait(int timeout_ms);
  bool tell();

 private:
  friend struct PolledSocket;
  friend struct CloseThenFree;
  void free_closed();

  int epoll_;
  std::array<epoll_event, 512> events_{};
  int events_count_ = 0;
  IntrusiveList<PolledSocket> again_;
  IntrusiveList<PolledSocket> closed_;  // owned by this list
};

}  // namespace mcplb::net
