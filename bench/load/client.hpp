// One connection of the generator, made when it is needed: a request, its whole reply, the next.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/address.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"

#include "load/tally.hpp"

namespace mcplb::bench {

class Client {
 public:
  // `loop` outlives it.
  Client(net::Loop& loop, const net::Address& address);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends a request and reads its reply. `request` stays until the call ends. Failures: connect,
  // closed, timeout, not_http; a status is none. Afterwards the connection is fit for the next.
  Task<Failure> exchange(std::string_view request, http::Method method, Deadline deadline);

  // For event streams: ends with the head. Then piece() waits for content; an empty one is the end.
  Task<Failure> begin(std::string_view request, http::Method method, Deadline deadline);
  Task<std::string_view> piece();

  // Of the reply that came last.
  int status() const { return status_; }
  bool is_event_stream() const { return event_stream_; }
  bool says_moved() const { return moved_; }
  const std::string& session() const { return session_; }
  const std::string& body() const { return body_; }

  void close();
  // Connections that were made in place of one that the server ended.
  std::uint64_t reconnects() const { return reconnects_; }

 private:
  struct Link;
  Task<Failure> connect(Deadline deadline);
  Task<Failure> read_body(Deadline deadline);
  void note_head();
  Failure drop(const Error& error);
  void lose();

  net::Loop& loop_;
  const net::Address address_;
  std::unique_ptr<Link> link_;
  bool lost_ = false;  // the last connection was ended by the server, or is of no use
  std::uint64_t reconnects_ = 0;
  int status_ = 0;
  bool event_stream_ = false;
  bool moved_ = false;
  std::string session_;
  std::string body_;
};

}  // namespace mcplb::bench
