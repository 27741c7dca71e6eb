#include "http/chunked_decoder.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"

#include "http/chars.hpp"

namespace mcplb::http {
namespace {

constexpr int digits_max = 16;  // of a chunk size, leading zeros included

// Fields that a trailer must not carry, because they were acted upon when the head was read
// (RFC 9110 §6.5.1): framing, routing, authentication, caching, and what we add ourselves.
bool may_be_trailer(std::string_view name) {
  static constexpr std::array<std::string_view, 28> names{"accept",
                                                          "age",
                                                          "authorization",
                                                          "cache-control",
                                                          "connection",
                                                          "cookie",
                                                          "date",
                                                          "expect",
                                                          "expires",
                                                          "forwarded",
                                                          "host",
                                                          "keep-alive",
                                                          "last-event-id",
                                                          "location",
                                                          "max-forwards",
                                                          "origin",
                                                          "pragma",
                                                          "range",
                                                          "retry-after",
                                                          "set-cookie",
                                                          "te",
                                                          "trailer",
                                                          "upgrade",
                                                          "vary",
                                                          "via",
                                                          "www-authenticate",
                                                          "x-real-ip",
                                                          "x-request-id"};
  static constexpr std::array<std::string_view, 8> prefixes{
      "accept-", "access-control-", "content-",  "if-",
      "mcp-",    "proxy-",          "transfer-", "x-forwarded-"};
  return std::none_of(names.begin(), names.end(),
                      [&](auto known) { return equals_ignoring_case(name, known); }) &&
         std::none_of(prefixes.begin(), prefixes.end(),
                      [&](auto prefix) { return starts_with_ignoring_case(name, prefix); });
}

}  // namespace

// llhttp follows a body only after a head, so it is given one that was never received.
void ChunkedDecoder::start(Error::Side side) {
  static constexpr llhttp_settings_t settings = [] {
    llhttp_settings_t made{};
    made.on_chunk_header = on_chunk_header;
    made.on_body = on_body;
    made.on_message_complete = on_message_complete;
    return made;
  }();
  side_ = side;
  part_ = Part::size;
  rule_ = nullptr;
  digits_ = 0;
  left_ = 0;
  extension_bytes_ = 0;
  trailer_bytes_ = 0;
  line_.clear();
  trailers_.clear();
  llhttp_init(&parser_, HTTP_REQUEST, &settings);
  parser_.data = this;
  feed("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  MCPLB_ASSERT(rule_ == nullptr);
}

Result<BodyDecoder::Step> ChunkedDecoder::decode(char* data, std::size_t size) {
  input_ = data;
  content_begin_ = data;
  content_end_ = data;
  std::size_t consumed = 0;
  while (consumed < size && part_ != Part::done) {
    consumed += take({data + consumed, size - consumed});
    if (rule_ != nullptr) return Error{Error::Kind::malformed, side_, 0, rule_};
  }
  const auto content_size = static_cast<std::size_t>(content_end_ - content_begin_);
  return BodyDecoder::Step{{content_begin_, content_size}, consumed};
}

std::size_t ChunkedDecoder::take(std::string_view input) {
  switch (part_) {
    case Part::size:
      return take_size(input);
    case Part::extension:
      return take_extension(input);
    case Part::size_line_end:
      return take_size_line_end(input);
    case Part::content:
      return take_content(input);
    case Part::trailer_line:
      return take_trailer_line(input);
    case Part::done:
      break;
  }
  return 0;
}

std::size_t ChunkedDecoder::take_size(std::string_view input) {
  const auto end = std::find_if_not(input.begin(), input.end(), is_hex_digit);
  const auto found = static_cast<std::size_t>(end - input.begin());
  if (found > static_cast<std::size_t>(digits_max - digits_)) {
    rule_ = "chunk size with more than 16 digits";
    return 0;
  }
  digits_ += static_cast<int>(found);
  feed(input.substr(0, found));
  if (found == input.size()) return found;
  if (digits_ > 0 && input[found] == ';') {
    part_ = Part::extension;
  } else if (digits_ > 0 && input[found] == '\r') {
    part_ = Part::size_line_end;
  } else {
    rule_ = "invalid character in a chunk size";
  }
  return found + 1;
}

// Extensions mean nothing to us and end here.
std::size_t ChunkedDecoder::take_extension(std::string_view input) {
  const auto end = std::find_if(input.begin(), input.end(), is_control);
  const auto found = static_cast<std::size_t>(end - input.begin());
  extension_bytes_ += found;
  if (extension_bytes_ > limits::chunk_extension_bytes_max) {
    rule_ = "too many bytes of chunk extensions";
  }
  if (found == input.size()) return found;
  if (input[found] != '\r') rule_ = "control character in a chunk extension";
  part_ = Part::size_line_end;
  return found + 1;
}

std::size_t ChunkedDecoder::take_size_line_end(std::string_view input) {
  if (input.front() != '\n') {
    rule_ = "bare CR in a chunk size line";
    return 0;
  }
  digits_ = 0;
  feed("\r\n");  // on_chunk_header decides what follows
  if (part_ == Part::size_line_end) rule_ = "malformed chunk size";
  return 1;
}

std::size_t ChunkedDecoder::take_content(std::string_view input) {
  const std::size_t size = left_ < input.size() ? static_cast<std::size_t>(left_) : input.size();
  feed(input.substr(0, size));
  left_ -= size;
  if (left_ == 0) part_ = Part::size;
  return size;
}

std::size_t ChunkedDecoder::take_trailer_line(std::string_view input) {
  const std::size_t line_end = input.find('\n');
  const std::size_t size = line_end == std::string_view::npos ? input.size() : line_end + 1;
  trailer_bytes_ += size;
  if (trailer_bytes_ > limits::trailer_bytes_max) {
    rule_ = "trailers too large";
    return 0;
  }
  line_.append(input.substr(0, size));
  if (line_end != std::string_view::npos) finish_trailer_line();
  return size;
}

void ChunkedDecoder::finish_trailer_line() {
  std::string_view line = line_;
  line.remove_suffix(1);
  if (line.empty() || line.back() != '\r') {
    rule_ = "bare LF in trailers";
    return;
  }
  line.remove_suffix(1);
  if (line.empty()) {
    feed("\r\n");
    if (part_ != Part::done) rule_ = "malformed end of a chunked body";
    return;
  }
  const std::size_t colon = std::min(line.find(':'), line.size());
  const std::string_view name = line.substr(0, colon);
  if (colon == line.size() || !is_token(name) ||
      std::any_of(line.begin(), line.end(), is_control)) {
    rule_ = "malformed trailer line";
    return;
  }
  if (may_be_trailer(name)) {
    trailers_.append(name).append(": ").append(trimmed(line.substr(colon + 1))).append("\r\n");
  }
  line_.clear();
}

void ChunkedDecoder::feed(std::string_view bytes) {
  const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), bytes.size());
  if (error == HPE_OK || (error == HPE_PAUSED && part_ == Part::done)) return;
  rule_ = part_ == Part::content ? "chunk content without CRLF after it" : "malformed chunk size";
}

int ChunkedDecoder::on_chunk_header(llhttp_t* parser) {
  auto& self = *static_cast<ChunkedDecoder*>(parser->data);
  constexpr std::uint64_t line_end_size = 2;
  constexpr std::uint64_t left_max = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t size = parser->content_length;
  self.part_ = size == 0 ? Part::trailer_line : Part::content;
  self.left_ = size > left_max - line_end_size ? left_max : size + line_end_size;
  return HPE_OK;
}

// Closes the gap that a size line left between the content before and this one.
int ChunkedDecoder::on_body(llhttp_t* parser, const char* at, std::size_t size) {
  auto& self = *static_cast<ChunkedDecoder*>(parser->data);
  if (self.content_begin_ == self.content_end_) {
    self.content_begin_ = self.input_ + (at - self.input_);
    self.content_end_ = self.content_begin_;
  }
  std::memmove(self.content_end_, at, size);
  self.content_end_ += size;
  return HPE_OK;
}

// Stops llhttp, so that it takes no byte of the next message for its own.
int ChunkedDecoder::on_message_complete(llhttp_t* parser) {
  static_cast<ChunkedDecoder*>(parser->data)->part_ = Part::done;
  return HPE_PAUSED;
}

}  // namespace mcplb::http
