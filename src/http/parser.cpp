#include "mcplb/http/parser.hpp"

#include <llhttp.h>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/text.hpp"

#include "http/blocks.hpp"
#include "http/framing.hpp"
#include "http/target.hpp"

namespace mcplb::http {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view head_end = "\r\n\r\n";

// What llhttp reports of a request line. Its callbacks reach it through llhttp_t::data.
struct StartLine {
  std::string_view method;
  std::string_view target;
};

StartLine& start_line_of(llhttp_t* parser) {
  return *static_cast<StartLine*>(parser->data);
}

// llhttp gets the whole line, so every span is whole.
int on_method(llhttp_t* parser, const char* at, std::size_t size) {
  start_line_of(parser).method = {at, size};
  return HPE_OK;
}

int on_url(llhttp_t* parser, const char* at, std::size_t size) {
  start_line_of(parser).target = {at, size};
  return HPE_OK;
}

constexpr llhttp_settings_t make_settings() {
  llhttp_settings_t settings{};
  settings.on_method = on_method;
  settings.on_url = on_url;
  return settings;
}
constexpr llhttp_settings_t request_line_settings = make_settings();

const char* rule_of(llhttp_errno_t error) {
  switch (error) {
    case HPE_INVALID_METHOD:
      return "unknown method";
    case HPE_INVALID_URL:
      return "invalid request target";
    case HPE_INVALID_VERSION:
      return "invalid protocol version";
    case HPE_LF_EXPECTED:
    case HPE_CR_EXPECTED:
      return "invalid line end in a head";
    default:
      return "malformed head";
  }
}

Error malformed(Error::Side side, const char* rule) {
  return {Error::Kind::malformed, side, 0, rule};
}

// The line with its end.
Result<void> run_llhttp(std::string_view line, StartLine& seen) {
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &request_line_settings);
  parser.data = &seen;
  const llhttp_errno_t error = llhttp_execute(&parser, line.data(), line.size());
  if (error == HPE_OK) return {};
  return malformed(Error::Side::client, rule_of(error));
}

bool frames_the_body(Name name) {
  return name == Name::content_length || name == Name::transfer_encoding;
}

// The scanner has judged each byte of the line; what is left is the name, a token up to the colon.
// Those that we know are.
bool read_field(std::string_view line, std::size_t colon, Fields& out) {
  if (colon >= line.size()) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view rest = line.substr(colon + 1);
  const std::string_view value = trimmed(rest);
  const bool plain = !value.empty() && rest.front() == ' ' && value.size() + 1 == rest.size();
  const Name id = out.add(name, value, plain);
  // Parsers differ in whether HTAB may stand beside a length; nobody sends it in good faith.
  if (frames_the_body(id) && rest.find('\t') != std::string_view::npos) return false;
  return id != Name::other || is_token(name);
}

// What comes behind the start line, up to and with the empty line. Each field of each head comes
// through here; llhttp would split it at the same places for five times as many instructions.
Result<void> read_fields(std::string_view lines, Error::Side side, std::size_t fields_max,
                         Fields& out) {
  for (;;) {
    const LineParts parts = split_line(lines);
    if (parts.end == 0) return {};
    if (out.size() == fields_max) {
      return Error{Error::Kind::head_too_large, side, 0, "too many header lines"};
    }
    if (!read_field(lines.substr(0, parts.end), parts.colon, out)) {
      return malformed(side, "invalid character in a header line");
    }
    lines.remove_prefix(parts.end + line_end.size());
  }
}

// The version is the one place where llhttp reads more than HTTP/1.0 and HTTP/1.1.
// Returns the minor version, or -1.
int minor_version_of(std::string_view text) {
  if (text == "HTTP/1.1") return 1;
  return text == "HTTP/1.0" ? 0 : -1;
}

Method method_of(std::string_view text) {
  if (text == "POST") return Method::post;
  if (text == "GET") return Method::get;
  if (text == "HEAD") return Method::head;
  if (text == "PUT") return Method::put;
  if (text == "DELETE") return Method::del;
  if (text == "OPTIONS") return Method::options;
  if (text == "PATCH") return Method::patch;
  return Method::other;
}

std::string_view without_leading_empty_line(std::string_view bytes) {
  return bytes.substr(bytes.substr(0, 2) == "\r\n" ? 2 : 0);
}

// llhttp takes more than one space between the parts and a missing version for HTTP/0.9, so its
// spans must tile the line: method SP target SP version.
Result<void> read_request_line(std::string_view line, const StartLine& seen, RequestHead& out) {
  line.remove_suffix(line_end.size());
  const auto refuse = [](const char* rule) {
    return Error{Error::Kind::malformed, Error::Side::client, 0, rule};
  };
  const std::size_t version_begin = seen.method.size() + seen.target.size() + 2;
  if (line.size() < version_begin || seen.method.data() != line.data() ||
      seen.target.data() != line.data() + seen.method.size() + 1 ||
      line[version_begin - 1] != ' ') {
    return refuse("request line is not method, target, version with single spaces");
  }
  out.minor_version = minor_version_of(line.substr(version_begin));
  if (out.minor_version < 0) return refuse("protocol version other than HTTP/1.0 and HTTP/1.1");
  // The preface of HTTP/2, which llhttp would refuse at the end of the head only.
  if (seen.method == "PRI") return refuse("unknown method");
  if (seen.method == "CONNECT" || seen.method == "TRACE") {
    return refuse("CONNECT and TRACE are not served");
  }
  out.method_text = seen.method;
  out.method = method_of(seen.method);
  out.target = seen.target;
  return {};
}

// "HTTP/1.1 200 OK"; a reply without reason may also lack the space before it. There is nothing
// left in it that llhttp would have to judge.
Result<void> read_status_line(std::string_view line, ReplyHead& out) {
  line.remove_suffix(line_end.size());
  const auto refuse = [](const char* rule) {
    return Error{Error::Kind::malformed, Error::Side::backend, 0, rule};
  };
  constexpr std::size_t version_size = 8;
  constexpr std::size_t status_end = version_size + 1 + 3;
  out.minor_version = minor_version_of(line.substr(0, version_size));
  if (out.minor_version < 0) return refuse("protocol version other than HTTP/1.0 and HTTP/1.1");
  const auto status =
      line.size() < status_end ? std::nullopt : parse_decimal(line.substr(version_size + 1, 3));
  if (!status || *status < 100 || *status > 599 || line[version_size] != ' ' ||
      (line.size() > status_end && line[status_end] != ' ')) {
    return refuse("status is not three digits from 100 to 599");
  }
  out.status = static_cast<int>(*status);
  if (out.status == 101) return refuse("protocol switched, which nobody asked for");
  if (line.size() > status_end) out.reason = line.substr(status_end + 1);
  return {};
}

}  // namespace

Result<void> parse_request_head(std::string_view bytes, const Settings& settings,
                                RequestHead& out) {
  MCPLB_ASSERT(bytes.ends_with(head_end));
  out.clear();
  bytes = without_leading_empty_line(bytes);
  const std::string_view line = bytes.substr(0, find_control(bytes) + line_end.size());
  StartLine seen;
  auto run = run_llhttp(line, seen);
  if (!run) return run.error();
  auto read = read_request_line(line, seen, out);
  if (!read) return read.error();
  bytes.remove_prefix(line.size());
  auto fields = read_fields(bytes, Error::Side::client, settings.headers_max, out.fields);
  if (!fields) return fields.error();
  auto resolved = resolve_target(out);
  if (!resolved) return resolved.error();
  return apply_fields(out);
}

Result<void> parse_reply_head(std::string_view bytes, Method request_method,
                              const Settings& settings, ReplyHead& out) {
  MCPLB_ASSERT(bytes.ends_with(head_end));
  out.clear();
  // An empty line before a reply belongs to no message: it is bytes left over from the last one.
  const std::string_view line = bytes.substr(0, find_control(bytes) + line_end.size());
  auto read = read_status_line(line, out);
  if (!read) return read.error();
  bytes.remove_prefix(line.size());
  auto fields = read_fields(bytes, Error::Side::backend, settings.headers_max, out.fields);
  if (!fields) return fields.error();
  return apply_fields(out, request_method);
}

}  // namespace mcplb::http
