// Connections in and out, and the listening sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mcplb/async/task.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/net/address.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/settings.hpp"
#include "mcplb/net/stream.hpp"

namespace mcplb::net {

// Wraps an accepted socket; the stream owns it, also when this fails.
Result<std::unique_ptr<Stream>> adopt_socket(Loop& loop, int fd, const Address& peer);

// Errors: refused, unreachable, timeout, failed.
Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, Address address, Deadline deadline);

// A listening socket that hands out accepted sockets. Lives on one loop; destroying it closes the
// socket (and removes the path of a unix socket). A second listener on a used port fails.
class Acceptor {
 public:
  struct Accepted {
    int fd = -1;  // non-blocking; the callee owns it
    Address peer;
    Address local;
  };
  using OnAccept = std::function<void(Accepted)>;

  static Result<std::unique_ptr<Acceptor>> listen(Loop& loop, const ListenerSettings& settings,
                                                  OnAccept on_accept);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // With the port that the system chose when the setting said 0.
  const Address& local_address() const;

 private:
  struct State;
  explicit Acceptor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Names to addresses, for connecting. By the DNS servers of the settings, /etc/hosts first; without
// any by the system's resolver, off the loop, so that every name that other programs here know is
// known (nsswitch, mDNS). Answers are kept for limits::resolver_cache. One per loop.
class Resolver {
 public:
  explicit Resolver(Loop& loop, const ResolverSettings& settings = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // IP literals are answered at once. At most limits::addresses_max addresses, at least one.
  Task<Result<std::vector<Address>>> resolve(std::string host, std::uint16_t port,
                                             Deadline deadline);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Tries each address of the name in turn until one answers or the deadline passes; the first of
// several gets at most half of the time that is left.
Task<Result<std::unique_ptr<Stream>>> connect_host(Loop& loop, Resolver& resolver,
                                                   std::string host, std::uint16_t port,
                                                   Deadline deadline);

// Raises the number of open files to the hard limit. Returns the limit that holds now.
std::uint64_t raise_open_files_limit();

}  // namespace mcplb::net
