// Moves one reply's body from backend to client as it comes: one read, one write. Back-pressure is
// that nothing is read while the client takes nothing. Event streams are flushed per read, kept
// alive with comments at event boundaries, and ended there when we stop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/lease.hpp"
#include "mcplb/mcp/sse.hpp"
#include "mcplb/net/stream.hpp"
#include "proxy/endpoint_tap.hpp"
#include "proxy/forward_head.hpp"
#include "proxy/in_flight.hpp"

namespace mcplb::proxy {

struct RelaySettings {
  ClientFraming framing = ClientFraming::none;
  bool event_stream = false;        // comments may be inserted at event boundaries
  bool ends_on_stop = false;        // no answer is owed on it
  bool trailers = false;            // the client accepts them
  milliseconds heartbeat{0};        // 0: none
  milliseconds stream_idle{0};

  // An event stream that may be open for hours, as thousands of others.
  bool stands() const { return event_stream && ends_on_stop; }
};

enum class RelayEnd : std::uint8_t {
  complete,      // the client has the whole reply
  not_begun,     // the backend broke before the client got a byte: a local reply is still possible
  backend_broke,
  client_gone,
  left,          // an event stream, at an event boundary: it goes on at another backend
  stopped        // an event stream, ended by us at an event boundary
};

// A 2024-11-05 stream until it has announced where its client posts to.
struct Announcement {
  EndpointTap tap;
  std::function<Task<void>()> before;  // awaited once, before what the tap held goes to the client
  std::string released;                // content that the tap lets go on
};

// The beginning of a body that was read before its relay.
struct HeldContent {
  std::string content;
  bool last = false;  // all of it
};

// Lives in the frame of the exchange that it serves.
class Relay {
 public:
  Relay(net::Stream& client, cluster::Connection& backend, const RelaySettings& settings,
        std::uint64_t& client_bytes);
  // Where the relay learns what is wished of it. Outlives the relay.
  void heed(const InFlight& in_flight) { in_flight_ = &in_flight; }
  // Comes before what is read from now on. Outlives the relay.
  void begin_with(const HeldContent& held) { held_ = &held; }
  // Gets a copy of the content, as long as that is no more than session_opening_bytes_max; more
  // leaves it as it is then. Outlives the relay.
  void copy_to(std::string& copy) { copy_ = &copy; }
  // Sees the first event of the stream before the client does.
  void announce(std::unique_ptr<Announcement> announcement) {
    announcement_ = std::move(announcement);
  }
  // `head` goes out with the first bytes of the body and is used up: small ones are put behind it.
  // On `not_begun`, error() says why.
  Task<RelayEnd> run(std::string& head);
  const Error& error() const { return error_; }
  // Of the events that the client has got.
  bool at_boundary() const { return events_.at_boundary(); }

 private:
  bool take_part();
  Task<void> pass_announcement();
  bool is_wished(InFlight::Wish wish) const {
    return in_flight_ != nullptr && in_flight_->wish() == wish;
  }
  bool has_to_write(const std::string& head);
  net::Stream::WriteAwaiter write_part(std::string& head);
  net::Stream::WriteAwaiter write_comment();
  net::Stream::WriteAwaiter write(const net::Slices& bytes);
  std::optional<RelayEnd> end_after_part();
  net::Stream::MoreAwaiter next_bytes();
  bool goes_on_after(const Result<void>& more);
  bool fails(const Error& error);
  RelayEnd backend_failed() const;

  net::Stream& client_;
  cluster::Connection& backend_;
  const RelaySettings settings_;
  mcp::SseScanner events_;
  std::unique_ptr<Announcement> announcement_;  // null once it was made
  const InFlight* in_flight_ = nullptr;
  const HeldContent* held_ = nullptr;  // null once it was taken
  std::string* copy_ = nullptr;
  wire::ReplyReader::Part part_;  // that is being relayed
  TimePoint last_bytes_at_;       // of the backend
  TimePoint last_write_at_;       // to the client
  std::uint64_t& client_bytes_;  // what the client was sent; the exchange's, for its log line
  bool comment_is_due_ = false;
  bool stopped_ = false;
  Error error_;
};

}  // namespace mcplb::proxy
