#include "mcplb/http/parser.hpp"

#include "http/blocks.hpp"

namespace mcplb::http {
namespace {

const char* broken_rule_at(std::string_view bytes, std::size_t control) {
  if (bytes[control] == '\n') return "bare LF in a head";
  if (bytes[control] == '\0') return "NUL in a head";
  if (bytes[control] != '\r') return "control character in a head";
  return "bare CR in a head";
}

const char* broken_rule_of_line(char front, bool first) {
  if (front == ':') return "empty header name";
  return first ? "white space before the start line" : "folded header line";
}

bool may_not_begin_a_line(char c) {
  return c == ' ' || c == '\t' || c == ':';
}

}  // namespace

Result<std::size_t> HeadScanner::scan(std::string_view bytes) {
  const auto refuse = [this](const char* rule) {
    return Error{Error::Kind::malformed, side_, 0, rule};
  };
  // What is only needed from call to call is not stored for every line.
  std::size_t line_begin = line_begin_;
  std::size_t at = scanned_;
  for (;;) {
    at = find_control(bytes, at);
    const bool whole = at + 1 < bytes.size();
    if (!whole && (at == bytes.size() || bytes[at] == '\r')) {
      line_begin_ = line_begin;
      scanned_ = at;
      return std::size_t{0};
    }
    if (!whole || bytes[at] != '\r' || bytes[at + 1] != '\n') {
      return refuse(broken_rule_at(bytes, at));
    }
    const bool empty = at == line_begin;
    const char front = bytes[line_begin];
    line_begin = at += 2;
    if (!empty) {
      if (may_not_begin_a_line(front)) return refuse(broken_rule_of_line(front, !start_line_seen_));
      start_line_seen_ = true;
    } else if (start_line_seen_) {
      return at;
    } else if (at > 2) {
      return refuse("empty lines before the start line");
    }
  }
}

}  // namespace mcplb::http
