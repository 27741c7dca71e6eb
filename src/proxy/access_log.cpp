#include "proxy/access_log.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/log.hpp"

namespace mcplb::proxy {
namespace {

std::string_view or_dash(std::string_view text) { return text.empty() ? "-" : text; }

// A task id may work like a key, and a URI may carry credentials or tokens: the log shows neither.
std::string loggable_name(const mcp::Message& message) {
  switch (message.method) {
    case mcp::Method::tasks_get:
    case mcp::Method::tasks_result:
    case mcp::Method::tasks_cancel:
    case mcp::Method::tasks_update:
      return message.name.empty() ? "-" : hashed_for_log(message.name);
    case mcp::Method::resources_read:
    case mcp::Method::resources_subscribe:
    case mcp::Method::resources_unsubscribe: break;
    default: return std::string(or_dash(message.name));
  }
  std::string_view uri = message.name;
  uri = uri.substr(0, uri.find_first_of("?#"));
  const std::size_t scheme_end = uri.find("://");
  if (scheme_end == std::string_view::npos) return std::string(or_dash(uri));
  const std::size_t authority = scheme_end + 3;
  const std::size_t path = std::min(uri.find('/', authority), uri.size());
  const std::size_t at = uri.substr(0, path).rfind('@');
  if (at == std::string_view::npos || at < authority) return std::string(or_dash(uri));
  return std::string(uri.substr(0, authority)) + std::string(uri.substr(at + 1));
}

}  // namespace

void write_access_line(const AccessRecord& record) {
  if (!log::access_enabled()) return;
  const mcp::Message& message = *record.message;
  const bool is_mcp = message.era != mcp::Era::none;
  const std::string session = message.session.empty() ? "-" : hashed_for_log(message.session);
  const std::array<char, 2> end{record.end.who, record.end.when};
  LogFields fields(log::format());
  fields.add("request_id", or_dash(record.request_id));
  fields.add("client", or_dash(record.client));
  fields.add("pool", or_dash(record.pool));
  fields.add("backend", or_dash(record.backend));
  fields.add("era", is_mcp ? mcp::to_string(message.era) : "-");
  fields.add("method", is_mcp && message.method != mcp::Method::none
                           ? mcp::to_string(message.method)
                           : or_dash(record.http_method));
  fields.add("name", loggable_name(message));
  fields.add("session", session);
  fields.add("status", record.status);
  fields.add("reason", record.reason == Reason::none ? "-" : to_string(record.reason));
  fields.add("end", std::string_view(end.data(), end.size()));
  fields.add("bytes_in", record.bytes_in);
  fields.add("bytes_out", record.bytes_out);
  fields.add("wait_us", record.wait_us);
  fields.add("backend_us", record.backend_us);
  fields.add("total_us", record.total_us);
  fields.add("tries", record.tries);
  log::write_access(fields);
}

}  // namespace mcplb::proxy
