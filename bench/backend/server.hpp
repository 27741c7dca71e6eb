// The plain MCP server behind every proxy of the benchmark. It keeps its sessions in its own
// memory, knows nothing of other servers, and costs little: it shares the machine with what is
// measured. Everything is on one loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/hash.hpp"
#include "mcplb/base/intrusive_list.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"

#include "backend/message.hpp"

namespace mcplb::bench {

inline constexpr std::size_t sessions_max = 2'000'000;
inline constexpr std::size_t connections_max = 60'000;

// The sessions of this server. Beyond sessions_max none is opened.
class Sessions {
 public:
  // 32 hex digits that nobody can guess; empty when there are too many.
  std::string open();
  bool has(std::string_view id) const { return ids_.find(id) != ids_.end(); }
  bool close(std::string_view id);
  std::size_t size() const { return ids_.size(); }

 private:
  std::unordered_set<std::string, StringHash, std::equal_to<>> ids_;
};

// An open event stream, as those see it who write to it. Owned by its connection.
class EventStream : public ListNode {
 public:
  // Sends `count` events of that size each, behind those that are still to be sent.
  virtual void emit(std::uint64_t count, std::size_t bytes) = 0;

 protected:
  ~EventStream() = default;
};

// What all connections share.
struct Shared {
  std::string name;
  http::Settings http{};
  Sessions sessions;
  IntrusiveList<EventStream> streams;
  MessageReader messages;
  bool any_session = false;  // sessions that other servers opened are served, too
  std::uint64_t requests = 0;
  std::uint64_t events = 0;
  std::size_t open_streams = 0;
};

class Server {
 public:
  Server(net::Loop& loop, std::string name, bool any_session = false);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The address that it listens on, with its port.
  Result<std::string> listen(const std::string& address);

 private:
  void accept(const net::Acceptor::Accepted& accepted);

  net::Loop& loop_;
  Shared shared_;
  Nursery connections_;
  std::unique_ptr<net::Acceptor> acceptor_;
};

}  // namespace mcplb::bench
