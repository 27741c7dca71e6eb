// One line an exchange, written when it ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mcplb/base/trace_context.hpp"
#include "mcplb/mcp/message.hpp"
#include "proxy/local_reply.hpp"

namespace mcplb::proxy {

// How an exchange ended, as HAProxy's two letters say it. Who: C client, S backend (server),
// P the balancer itself, - normal. When: R reading the request, Q choosing a backend, C connecting,
// H waiting for the reply's head, D in the body, - after the end.
struct EndCode {
  char who = '-';
  char when = '-';
};

// How an exchange went.
struct ExchangeFigures {
  int status = 0;
  Reason reason = Reason::none;
  EndCode end;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::int64_t wait_us = 0;     // from the whole request to the first try's write
  std::int64_t backend_us = 0;  // from that write to the reply's head
  std::int64_t total_us = 0;
  int tries = 0;
};

struct AccessRecord : ExchangeFigures {
  std::string_view request_id;
  TraceId trace;  // none: the line says nothing of it
  std::string_view client;
  std::string_view pool;
  std::string_view backend;
  const mcp::Message* message = nullptr;
  std::string_view http_method;
};

// What a message names, as it may be shown. A task id may work like a key, and a URI may carry
// credentials or tokens: these are hashed, and left out. "-" when it names nothing.
std::string loggable_name(const mcp::Message& message);

// Does nothing while log.access is off.
void write_access_line(const AccessRecord& record);

}  // namespace mcplb::proxy
