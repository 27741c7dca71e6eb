// The parsed heads of HTTP/1.1 messages (RFC 9110, RFC 9112). Values: every string_view points
// into the head bytes that were parsed, whose owner keeps them alive and in place.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace mcplb::http {

// Names that we look at or rewrite. All others are `other` and pass through untouched.
enum class Name : std::uint8_t {
  other,
  accept,
  accept_encoding,
  authorization,
  connection,
  content_encoding,
  content_length,
  content_type,
  cookie,
  date,
  expect,
  host,
  keep_alive,
  last_event_id,
  mcp_method,
  mcp_name,
  mcp_protocol_version,
  mcp_session_id,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_proto,
  x_real_ip,
  x_request_id,
  count_
};

// Case-insensitive (RFC 9110 §5.1).
Name name_of(std::string_view text);

struct Field {
  Name id = Name::other;
  bool plain = false;      // came as `name: value` CRLF, as we would write it
  std::string_view name;   // as it was spelled
  std::string_view value;  // without surrounding white space
};

class Fields {
 public:
  void clear() {
    fields_.clear();
    present_ = 0;
    repeated_ = 0;
  }
  // Returns which name it is.
  Name add(std::string_view name, std::string_view value, bool plain = false);
  // As clear(), and gives the memory back.
  void release() { *this = Fields(); }
  bool has(Name id) const { return (present_ >> static_cast<unsigned>(id) & 1U) != 0; }
  // The first field of that name, or an empty view: use has() to tell absent from empty.
  std::string_view get(Name id) const {
    return has(id) ? fields_[first_[static_cast<unsigned>(id)]].value : std::string_view();
  }
  std::string_view get(std::string_view name) const;  // for names that the operator chose
  std::size_t count(Name id) const;
  bool repeated(Name id) const { return (repeated_ >> static_cast<unsigned>(id) & 1U) != 0; }

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  static_assert(static_cast<unsigned>(Name::count_) <= 64);
  std::vector<Field> fields_;
  std::uint64_t present_ = 0;   // one bit a Name
  std::uint64_t repeated_ = 0;  // likewise: more than one field has it
  std::array<std::uint16_t, static_cast<unsigned>(Name::count_)> first_{};  // when present
};

// How the end of a body is known (RFC 9112 §6).
enum class Framing : std::uint8_t { none, length, chunked, until_close };

enum class Method : std::uint8_t { get, head, post, put, del, options, patch, other };

struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view target;     // origin form: path and query, also when it came in absolute form
  std::string_view path;       // the target without its query
  std::string_view query;      // without the '?'
  std::string_view authority;  // from an absolute target, else the Host field; may be empty in 1.0
  int minor_version = 1;       // HTTP/1.x
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
  bool accepts_trailers = false;  // TE: trailers
  Fields fields;

  void clear();
};

struct ReplyHead {
  int status = 0;
  std::string_view reason;
  int minor_version = 1;
  Framing framing = Framing::none;  // decided with the request's method (HEAD) and the status
  std::uint64_t content_length = 0;  // also what a HEAD reply announces
  bool has_content_length = false;
  bool keep_alive = true;
  std::uint64_t keep_alive_timeout_s = 0;  // the hint in `Keep-Alive: timeout=N`, 0 when absent
  bool event_stream = false;               // Content-Type: text/event-stream
  Fields fields;

  void clear();
};

}  // namespace mcplb::http
