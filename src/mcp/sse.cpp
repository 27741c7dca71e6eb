#include "mcplb/mcp/sse.hpp"

#include <algorithm>
#include <cstring>

namespace mcplb::mcp {
namespace {

// Finds line ends from left to right. Each byte is looked at once for each kind of line end, so
// a stream that uses only one of them costs no more than any other.
class LineEnds {
 public:
  explicit LineEnds(std::string_view text) : end_(text.data() + text.size()) {}
  // The first CR or LF at or after `from`; the end of the text when there is none.
  const char* after(const char* from) {
    if (line_feed_ == nullptr || line_feed_ < from) line_feed_ = find(from, '\n');
    if (carriage_return_ == nullptr || carriage_return_ < from) {
      carriage_return_ = find(from, '\r');
    }
    return std::min(line_feed_, carriage_return_);
  }

 private:
  const char* find(const char* from, char c) const {
    const auto* found =
        static_cast<const char*>(std::memchr(from, c, static_cast<std::size_t>(end_ - from)));
    return found != nullptr ? found : end_;
  }

  const char* end_;
  const char* line_feed_ = nullptr;
  const char* carriage_return_ = nullptr;
};

}  // namespace

void SseScanner::feed(std::string_view bytes) {
  if (bytes.empty()) return;
  LineEnds line_ends(bytes);
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  // The line feed of a CRLF belongs to the line that its carriage return has ended.
  if (after_cr_ && *p == '\n') ++p;
  after_cr_ = false;
  while (p != end) {
    const char* const line_end = line_ends.after(p);
    const bool line_is_empty = at_line_start_ && line_end == p;
    if (at_line_start_ && !line_is_empty && *p != ':') event_is_empty_ = false;
    at_line_start_ = line_end != end;
    if (!at_line_start_) return;
    if (line_is_empty) {
      events_ += event_is_empty_ ? 0 : 1;
      event_is_empty_ = true;
    }
    p = line_end + 1;
    if (*line_end != '\r') continue;
    if (p == end) {
      after_cr_ = true;
    } else if (*p == '\n') {
      ++p;
    }
  }
}

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

// One line without its end, split as WHATWG HTML §9.2.6 says.
struct Line {
  std::string_view field;
  std::string_view value;
};

Line split(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {line, {}};
  std::string_view value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  return {line.substr(0, colon), value};
}

// Collects the first event that has a field.
class FirstEvent {
 public:
  // The line is neither empty nor a comment.
  EndpointSearch on_line(Line line) {
    if (!has_field_ && line.field != "event") return EndpointSearch::absent;
    has_field_ = true;
    if (line.field == "event") {
      if (line.value != "endpoint") return EndpointSearch::absent;
      is_endpoint_ = true;
    } else if (line.field == "data") {
      if (line.value.empty() || !data_.empty()) return EndpointSearch::absent;
      data_ = line.value;
    }
    return EndpointSearch::need_more;
  }
  // The beginning of a line whose end has not come yet.
  EndpointSearch on_partial_line(std::string_view line) const {
    constexpr std::string_view first = "event: endpoint";
    constexpr std::string_view unspaced = "event:endpoint";
    const bool open = has_field_ || line.starts_with(':') || first.starts_with(line) ||
                      unspaced.starts_with(line) || byte_order_mark.starts_with(line);
    return open ? EndpointSearch::need_more : EndpointSearch::absent;
  }
  EndpointSearch on_empty_line() const {
    if (!has_field_) return EndpointSearch::need_more;
    return is_endpoint_ && !data_.empty() ? EndpointSearch::found : EndpointSearch::absent;
  }
  std::string_view data() const { return data_; }

 private:
  bool has_field_ = false;
  bool is_endpoint_ = false;
  std::string_view data_;
};

}  // namespace

EndpointSearch find_endpoint_event(std::string_view stream, EndpointEvent& out) {
  std::size_t begin = 0;
  if (stream.substr(0, byte_order_mark.size()) == byte_order_mark) begin = byte_order_mark.size();
  FirstEvent event;
  for (;;) {
    const std::size_t end = stream.find_first_of("\r\n", begin);
    if (end == std::string_view::npos) return event.on_partial_line(stream.substr(begin));
    std::size_t next = end + 1;
    if (stream[end] == '\r' && next < stream.size() && stream[next] == '\n') ++next;

    const std::string_view line = stream.substr(begin, end - begin);
    auto search = EndpointSearch::need_more;
    if (line.empty()) {
      search = event.on_empty_line();
    } else if (line.front() != ':') {
      search = event.on_line(split(line));
    }
    if (search == EndpointSearch::found) {
      out.size = next;
      out.data_begin = static_cast<std::size_t>(event.data().data() - stream.data());
      out.data_size = event.data().size();
    }
    if (search != EndpointSearch::need_more) return search;
    begin = next;
  }
}

std::size_t SseDataReader::feed(std::string_view bytes) {
  if (has_event_) {
    data_.clear();
    data_seen_ = false;
    has_event_ = false;
  }
  std::size_t taken = 0;
  while (taken < bytes.size() && !has_event_ && !too_large_) {
    const char c = bytes[taken++];
    const bool ends_crlf = after_cr_ && c == '\n';
    after_cr_ = c == '\r';
    if (ends_crlf) continue;
    if (c == '\r' || c == '\n') {
      end_line();
    } else if (line_.size() + data_.size() > data_bytes_max_) {
      too_large_ = true;
    } else {
      line_ += c;
    }
  }
  return taken;
}

void SseDataReader::end_line() {
  std::string_view line = line_;
  if (first_line_ && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
  first_line_ = false;
  const Line parts = split(line);
  if (line.empty()) {
    // An event whose data is empty only primes a client's Last-Event-ID.
    has_event_ = !data_.empty();
    data_seen_ = has_event_;
  } else if (parts.field == "data") {
    if (data_seen_) data_ += '\n';
    data_ += parts.value;
    data_seen_ = true;
  }
  line_.clear();
}

}  // namespace mcplb::mcp
