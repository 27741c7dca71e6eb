#include "mcplb/http/parser.hpp"

#include <llhttp.h>

#include "mcplb/base/text.hpp"

#include "http/framing.hpp"
#include "http/target.hpp"

namespace mcplb::http {
namespace {

// What llhttp reports of one head. Its callbacks reach it through llhttp_t::data.
struct Collector {
  explicit Collector(Fields& head_fields, std::size_t headers_max)
      : fields(head_fields),
        fields_max(headers_max) {}

  Fields& fields;
  std::size_t fields_max;
  std::string_view method;
  std::string_view target;
  std::string_view name;  // of the field whose value comes next
  std::string_view value;
  bool too_many = false;
};

// The bytes around them are there to look at: llhttp has read what comes behind the line.
bool is_plain(std::string_view name, std::string_view value) {
  const char* const end_of_name = name.data() + name.size();
  const char* const end_of_value = value.data() + value.size();
  return !value.empty() && value.data() == end_of_name + 2 && end_of_name[1] == ' ' &&
         end_of_value[0] == '\r' && end_of_value[1] == '\n';
}

Collector& collector_of(llhttp_t* parser) {
  return *static_cast<Collector*>(parser->data);
}

// A head is parsed in one piece, so every span is whole.
int on_method(llhttp_t* parser, const char* at, std::size_t size) {
  collector_of(parser).method = {at, size};
  return HPE_OK;
}

int on_url(llhttp_t* parser, const char* at, std::size_t size) {
  collector_of(parser).target = {at, size};
  return HPE_OK;
}

int on_header_field(llhttp_t* parser, const char* at, std::size_t size) {
  Collector& collector = collector_of(parser);
  collector.name = {at, size};
  collector.value = {};
  return HPE_OK;
}

int on_header_value(llhttp_t* parser, const char* at, std::size_t size) {
  collector_of(parser).value = {at, size};
  return HPE_OK;
}

int on_header_value_complete(llhttp_t* parser) {
  Collector& collector = collector_of(parser);
  if (collector.fields.size() == collector.fields_max) {
    collector.too_many = true;
    return HPE_USER;
  }
  const std::string_view value = trimmed(collector.value);
  collector.fields.add(collector.name, value, is_plain(collector.name, value));
  return HPE_OK;
}

// Stops at the end of the head. llhttp has then not begun to follow a body or an upgrade, and
// need not know anything of either.
int on_headers_complete(llhttp_t*) {
  return HPE_PAUSED;
}

constexpr llhttp_settings_t make_settings() {
  llhttp_settings_t settings{};
  settings.on_method = on_method;
  settings.on_url = on_url;
  settings.on_header_field = on_header_field;
  settings.on_header_value = on_header_value;
  settings.on_header_value_complete = on_header_value_complete;
  settings.on_headers_complete = on_headers_complete;
  return settings;
}
constexpr llhttp_settings_t head_settings = make_settings();

const char* rule_of(llhttp_errno_t error) {
  switch (error) {
    case HPE_INVALID_METHOD:
      return "unknown method";
    case HPE_INVALID_URL:
      return "invalid request target";
    case HPE_INVALID_VERSION:
      return "invalid protocol version";
    case HPE_INVALID_STATUS:
      return "invalid status code";
    case HPE_INVALID_HEADER_TOKEN:
      return "invalid character in a header line";
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return "invalid or conflicting Content-Length";
    case HPE_INVALID_TRANSFER_ENCODING:
      return "invalid or conflicting Transfer-Encoding";
    case HPE_LF_EXPECTED:
    case HPE_CR_EXPECTED:
      return "invalid line end in a head";
    default:
      return "malformed head";
  }
}

// Runs llhttp over one whole head.
Result<void> run_llhttp(std::string_view bytes, llhttp_type_t type, Collector& collector) {
  const auto side = type == HTTP_REQUEST ? Error::Side::client : Error::Side::backend;
  llhttp_t parser;
  llhttp_init(&parser, type, &head_settings);
  parser.data = &collector;
  const llhttp_errno_t error = llhttp_execute(&parser, bytes.data(), bytes.size());
  if (collector.too_many) {
    return Error{Error::Kind::head_too_large, side, 0, "too many header lines"};
  }
  if (error == HPE_PAUSED && llhttp_get_error_pos(&parser) == bytes.data() + bytes.size()) {
    return {};
  }
  return Error{Error::Kind::malformed, side, 0, rule_of(error)};
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
Result<void> read_request_line(std::string_view line, const Collector& seen, RequestHead& out) {
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
  if (seen.method == "CONNECT" || seen.method == "TRACE") {
    return refuse("CONNECT and TRACE are not served");
  }
  out.method_text = seen.method;
  out.method = method_of(seen.method);
  out.target = seen.target;
  return {};
}

// "HTTP/1.1 200 OK"; a reply without reason may also lack the space before it.
Result<void> read_status_line(std::string_view line, ReplyHead& out) {
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
  out.clear();
  bytes = without_leading_empty_line(bytes);
  Collector collector(out.fields, settings.headers_max);
  auto run = run_llhttp(bytes, HTTP_REQUEST, collector);
  if (!run) return run.error();
  auto line = read_request_line(bytes.substr(0, bytes.find("\r\n")), collector, out);
  if (!line) return line.error();
  auto resolved = resolve_target(out);
  if (!resolved) return resolved.error();
  return apply_fields(out);
}

Result<void> parse_reply_head(std::string_view bytes, Method request_method,
                              const Settings& settings, ReplyHead& out) {
  out.clear();
  // An empty line before a reply belongs to no message: it is bytes left over from the last one.
  auto line = read_status_line(bytes.substr(0, bytes.find("\r\n")), out);
  if (!line) return line.error();
  Collector collector(out.fields, settings.headers_max);
  auto run = run_llhttp(bytes, HTTP_RESPONSE, collector);
  if (!run) return run.error();
  return apply_fields(out, request_method);
}

}  // namespace mcplb::http
