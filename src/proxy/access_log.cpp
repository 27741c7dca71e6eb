#include "proxy/access_log.hpp"

#include <array>

#include "mcplb/base/clock.hpp"
#include "mcplb/base/hash.hpp"
#include "mcplb/base/log.hpp"

namespace mcplb::proxy {
namespace {

std::string_view or_dash(std::string_view text) { return text.empty() ? "-" : text; }

}  // namespace

std::int64_t phase_clock_us() { return log::access_enabled() ? monotonic_us() : 0; }

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
  fields.add("name", or_dash(message.name));
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
