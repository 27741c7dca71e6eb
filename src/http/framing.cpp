#include "http/framing.hpp"

#include "mcplb/base/text.hpp"

namespace mcplb::http {
namespace {

struct BodyFields {
  bool chunked = false;
  bool has_length = false;
  std::uint64_t length = 0;
};

// nullptr when Transfer-Encoding is one line that says exactly `chunked`.
const char* broken_coding_rule(const Fields& fields, int minor_version) {
  if (minor_version == 0) return "Transfer-Encoding in HTTP/1.0";
  if (fields.count(Name::transfer_encoding) > 1) return "more than one Transfer-Encoding";
  if (fields.has(Name::content_length)) return "Content-Length beside Transfer-Encoding";
  const std::string_view coding = fields.get(Name::transfer_encoding);
  return equals_ignoring_case(coding, "chunked") ? nullptr : "transfer coding other than chunked";
}

// Also refuses what both ends would read alike (leading zeros, repeated equal values): nobody
// sends them in good faith, and a third parser may differ.
Result<BodyFields> read_body_fields(const Fields& fields, int minor_version, Error::Side side) {
  const auto refuse = [side](const char* rule) {
    return Error{Error::Kind::malformed, side, 0, rule};
  };
  BodyFields body;
  if (fields.has(Name::transfer_encoding)) {
    if (const char* rule = broken_coding_rule(fields, minor_version)) return refuse(rule);
    body.chunked = true;
    return body;
  }
  if (!fields.has(Name::content_length)) return body;
  if (fields.count(Name::content_length) > 1) return refuse("more than one Content-Length");
  const std::string_view text = fields.get(Name::content_length);
  const auto length = parse_decimal(text);
  if (!length) return refuse("Content-Length is not a number");
  if (text.size() > 1 && text.front() == '0') return refuse("Content-Length with leading zeros");
  body.has_length = true;
  body.length = *length;
  return body;
}

bool lists_token(const Fields& fields, Name name, std::string_view token) {
  if (!fields.has(name)) return false;
  const std::string_view only = fields.get(name);
  if (!fields.repeated(name) && only.find(',') == std::string_view::npos) {
    return equals_ignoring_case(only, token);
  }
  bool found = false;
  for (const Field& field : fields) {
    if (field.id != name) continue;
    for_each_list_element(field.value, [&](std::string_view element) {
      found = found || equals_ignoring_case(element, token);
      return !found;
    });
  }
  return found;
}

bool keeps_alive(const Fields& fields, int minor_version) {
  if (!fields.has(Name::connection)) return minor_version >= 1;
  if (lists_token(fields, Name::connection, "close")) return false;
  return minor_version >= 1 || lists_token(fields, Name::connection, "keep-alive");
}

std::uint64_t keep_alive_timeout(const Fields& fields) {
  constexpr std::string_view prefix = "timeout=";
  std::uint64_t seconds = 0;
  for_each_list_element(fields.get(Name::keep_alive), [&](std::string_view parameter) {
    if (!starts_with_ignoring_case(parameter, prefix)) return true;
    seconds = parse_decimal(parameter.substr(prefix.size())).value_or(0);
    return false;
  });
  return seconds;
}

bool is_event_stream(std::string_view content_type) {
  const std::string_view media_type = content_type.substr(0, content_type.find(';'));
  return equals_ignoring_case(trimmed(media_type), "text/event-stream");
}

// Replies that end with their head whatever their fields say (RFC 9110 §6.4.1).
bool has_no_body(int status, Method request_method) {
  return request_method == Method::head || status < 200 || status == 204 || status == 304;
}

// A 1xx or 204 that announces a body is what a desynchronised backend looks like.
bool forbids_body_fields(int status) {
  return status < 200 || status == 204;
}

}  // namespace

Result<void> apply_fields(RequestHead& head) {
  const auto body = read_body_fields(head.fields, head.minor_version, Error::Side::client);
  if (!body) return body.error();
  if (body->chunked) head.framing = Framing::chunked;
  if (body->has_length) head.framing = Framing::length;
  head.content_length = body->length;
  head.keep_alive = keeps_alive(head.fields, head.minor_version);
  head.accepts_trailers = lists_token(head.fields, Name::te, "trailers");
  if (head.fields.has(Name::expect)) {
    if (head.fields.count(Name::expect) > 1 ||
        !equals_ignoring_case(head.fields.get(Name::expect), "100-continue")) {
      return Error{Error::Kind::malformed, Error::Side::client, 0, "unknown expectation"};
    }
    head.expects_continue = head.minor_version >= 1;
  }
  return {};
}

Result<void> apply_fields(ReplyHead& head, Method request_method) {
  const auto refuse = [](const char* rule) {
    return Error{Error::Kind::malformed, Error::Side::backend, 0, rule};
  };
  const auto body = read_body_fields(head.fields, head.minor_version, Error::Side::backend);
  if (!body) return body.error();
  head.keep_alive = keeps_alive(head.fields, head.minor_version);
  head.keep_alive_timeout_s = keep_alive_timeout(head.fields);
  head.event_stream = is_event_stream(head.fields.get(Name::content_type));
  if (forbids_body_fields(head.status)) {
    const bool harmless = head.status == 204 && body->length == 0;
    if (body->chunked || (body->has_length && !harmless)) {
      return refuse("a body announced by a status that has none");
    }
    return {};
  }
  head.has_content_length = body->has_length;
  head.content_length = body->length;
  if (has_no_body(head.status, request_method)) return {};
  if (body->chunked) {
    head.framing = Framing::chunked;
  } else if (body->has_length) {
    head.framing = Framing::length;
  } else {
    head.framing = Framing::until_close;
    head.keep_alive = false;
  }
  return {};
}

}  // namespace mcplb::http
