// Server-sent events, seen as bytes on their way through (WHATWG HTML §9.2). No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mcplb::mcp {

// Follows a stream and knows whether it stands at an event boundary, where a comment may be
// inserted. Accepts CR, LF and CRLF line ends, split anywhere.
class SseScanner {
 public:
  void feed(std::string_view bytes);
  // True at the start and after an empty line: whatever was begun has been dispatched.
  bool at_boundary() const { return at_line_start_ && event_is_empty_; }
  std::uint64_t events() const { return events_; }

 private:
  bool at_line_start_ = true;
  bool event_is_empty_ = true;
  bool after_cr_ = false;
  std::uint64_t events_ = 0;
};

// Collects the data of one event after another, whatever line ends it uses and wherever it is cut.
// Off the hot path: for streams that we read ourselves.
class SseDataReader {
 public:
  explicit SseDataReader(std::size_t data_bytes_max) : data_bytes_max_(data_bytes_max) {}
  // Takes bytes up to the end of an event with data, and says how many. has_event() is true then,
  // until the next call.
  std::size_t feed(std::string_view bytes);
  bool has_event() const { return has_event_; }
  const std::string& data() const { return data_; }  // its lines joined with LF
  // One event has more data than was allowed: the reader takes nothing any more.
  bool too_large() const { return too_large_; }

 private:
  void end_line();

  const std::size_t data_bytes_max_;
  std::string line_;
  std::string data_;
  bool data_seen_ = false;  // also when all its lines are empty
  bool first_line_ = true;
  bool after_cr_ = false;
  bool has_event_ = false;
  bool too_large_ = false;
};

// The first event of a stream, if it is 2024-11-05's `endpoint`.
struct EndpointEvent {
  std::size_t size = 0;        // bytes of the stream up to and with the event's closing empty line
  std::size_t data_begin = 0;  // where the announced URI stands in those bytes
  std::size_t data_size = 0;
};

enum class EndpointSearch : std::uint8_t { need_more, found, absent };
// Looks at the bytes from the start of a stream. Comments before the event are skipped. Its
// `event` line has to come first, as every server writes it: any other stream is known not to be
// one after a few bytes, and held no longer.
EndpointSearch find_endpoint_event(std::string_view stream, EndpointEvent& out);

}  // namespace mcplb::mcp
