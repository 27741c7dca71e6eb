// Any stream, cut anywhere: the scanner and the search for the endpoint event say the same as for
// the whole, and the scanner agrees with a plain reading line by line.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mcplb/mcp/sse.hpp"

namespace {

using namespace mcplb::mcp;

void require(bool claim) {
  if (!claim) std::abort();
}

struct Reading {
  std::uint64_t events = 0;
  bool at_boundary = true;
};

// The definition of SseScanner, byte by byte and without any cleverness.
Reading read_plainly(std::string_view stream) {
  Reading reading;
  bool has_field = false;
  std::string_view line = stream.substr(0, 0);
  for (std::size_t i = 0; i < stream.size(); ++i) {
    const bool ends = stream[i] == '\r' || stream[i] == '\n';
    if (!ends) {
      line = {line.empty() ? &stream[i] : line.data(), line.size() + 1};
      has_field = has_field || line.front() != ':';
      reading.at_boundary = false;
      continue;
    }
    if (stream[i] == '\n' && i > 0 && stream[i - 1] == '\r') continue;
    if (line.empty()) {
      if (has_field) ++reading.events;
      has_field = false;
    }
    line = {};
    reading.at_boundary = !has_field;
  }
  return reading;
}

void check_scanner(std::string_view stream, std::size_t step) {
  SseScanner whole;
  whole.feed(stream);
  const Reading reading = read_plainly(stream);
  require(whole.events() == reading.events);
  require(whole.at_boundary() == reading.at_boundary);

  SseScanner split;
  for (std::size_t begin = 0; begin < stream.size(); begin += step) {
    split.feed(stream.substr(begin, step));
  }
  require(split.events() == whole.events());
  require(split.at_boundary() == whole.at_boundary());
}

void check_search(std::string_view stream) {
  EndpointEvent expected;
  const EndpointSearch whole = find_endpoint_event(stream, expected);
  bool decided = false;
  for (std::size_t size = 0; size <= stream.size(); ++size) {
    EndpointEvent event;
    const EndpointSearch search = find_endpoint_event(stream.substr(0, size), event);
    require(search == EndpointSearch::need_more ? !decided : search == whole);
    decided = search != EndpointSearch::need_more;
    if (search != EndpointSearch::found) continue;
    require(event.data_begin == expected.data_begin && event.data_size == expected.data_size);
    // The line feed of a closing CRLF may not have come yet.
    const bool misses_line_feed = stream[event.size - 1] == '\r' && event.size + 1 == expected.size;
    require(event.size == expected.size || misses_line_feed);
    require(event.data_size > 0 && event.data_begin + event.data_size < event.size);
  }
  require(decided == (whole != EndpointSearch::need_more));
  if (whole != EndpointSearch::found) return;
  SseScanner scanner;
  scanner.feed(stream.substr(0, expected.size));
  require(scanner.at_boundary() && scanner.events() >= 1);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer looks for this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_scanner(stream, 1 + data[0] % 16U);
  check_scanner(stream, 1);
  // Every prefix is searched, so the length counts twice.
  check_search(stream.substr(0, std::min<std::size_t>(stream.size(), 256)));
  return 0;
}
