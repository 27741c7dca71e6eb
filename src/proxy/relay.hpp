// Moves one reply's body from backend to client as it comes: one read, one write. Back-pressure is
// that nothing is read while the client takes nothing. Event streams are flushed per read, kept
// alive with comments at event boundaries, and ended there when we stop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/lease.hpp"
#include "mcplb/http/writer.hpp"
#include "mcplb/mcp/sse.hpp"
#include "mcplb/net/stream.hpp"
#include "proxy/endpoint_tap.hpp"
#include "proxy/forward_head.hpp"
#include "proxy/in_flight.hpp"
#include "proxy/open_streams.hpp"

namespace mcplb::proxy {

struct RelaySettings {
  ClientFraming framing = ClientFraming::none;
  bool event_stream = false;        // comments may be inserted at event boundaries
  bool ends_on_stop = false;        // a standing stream: no answer is owed on it
  bool trailers = false;            // the client accepts them
  milliseconds heartbeat{0};        // 0: none
  milliseconds stream_idle{0};
};

enum class RelayEnd : std::uint8_t {
  complete,      // the client has the whole reply
  not_begun,     // the backend broke before the client got a byte: a local reply is still possible
  backend_broke,
  client_gone,
  left,          // an event stream, at an event boundary: it goes on at another backend
  stopped        // an event stream, ended by us at an event boundary
};

// The beginning of a body that was read before its relay.
struct HeldContent {
  std::string content;
  bool last = false;  // all of it
};

// Lives in the frame of the exchange that it serves.
class Relay {
 public:
  Relay(net::Stream& client, cluster::Connection& backend, OpenStreams& streams,
        const RelaySettings& settings, std::uint64_t& client_bytes);
  // Where the relay learns that the backend is given up, or to be left. Outlives the relay.
  void heed(const InFlight& in_flight) { in_flight_ = &in_flight; }
  // Comes before what is read from now on. Outlives the relay.
  void begin_with(const HeldContent& held) { held_ = &held; }
  // Gets a copy of the content, as long as that is no more than `max` bytes; more leaves it as it
  // is then. Outlives the relay.
  void copy_to(std::string& copy, std::size_t max) {
    copy_ = &copy;
    copy_bytes_max_ = max;
  }

  // Sees the first event of a 2024-11-05 stream before the client does. Outlives the relay.
  // `before_announcing` is awaited once, before what the tap held goes to the client.
  using BeforeAnnouncing = std::function<Task<void>()>;
  void tap_endpoint(EndpointTap& tap, BeforeAnnouncing before_announcing) {
    tap_ = &tap;
    before_announcing_ = std::move(before_announcing);
  }
  // `head` goes out with the first bytes of the body and is used up: small ones are put behind it.
  // On `not_begun`, error() says why.
  Task<RelayEnd> run(std::string& head);
  const Error& error() const { return error_; }
  // Of the events that the client has got.
  bool at_boundary() const { return events_.at_boundary(); }

 private:
  enum class Wait : std::uint8_t { more, heartbeat, end };
  Result<wire::ReplyReader::Part> next_part();
  bool leaves() const;
  bool is_given_up();
  net::Slices frame(std::string& head, const wire::ReplyReader::Part& part);
  Task<Result<void>> write_comment();
  Deadline next_wake() const;
  Wait after_wait(const Error& error);
  RelayEnd backend_failed(const Error& error);
  RelayEnd client_failed(const Error& error);

  net::Stream& client_;
  cluster::Connection& backend_;
  const RelaySettings settings_;
  OpenStream open_stream_;
  mcp::SseScanner events_;
  EndpointTap* tap_ = nullptr;
  BeforeAnnouncing before_announcing_;  // empty once it was awaited
  const InFlight* in_flight_ = nullptr;
  const HeldContent* held_ = nullptr;  // null once it was taken
  std::string* copy_ = nullptr;
  std::size_t copy_bytes_max_ = 0;
  std::string tapped_;          // content that the tap has released
  std::string trailers_;        // the last chunk with trailers behind it
  http::ChunkHeader chunk_{0};  // of the piece that is being written
  TimePoint last_bytes_at_;     // of the backend
  TimePoint last_write_at_;     // to the client
  std::uint64_t& client_bytes_;  // what the client was sent; the exchange's, for its log line
  bool stopped_ = false;
  Error error_;
};

}  // namespace mcplb::proxy
