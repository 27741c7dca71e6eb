#include "trace_export.hpp"

#include <string>
#include <utility>

#include "mcplb/base/log.hpp"
#include "mcplb/tracing/target.hpp"

namespace mcplb {

std::unique_ptr<TraceExport> TraceExport::create(const config::Settings& settings,
                                                 const Parts& parts) {
  tracing::Resolved resolved =
      tracing::resolve(settings.tracing, config::process_environment(), settings.instance);
  for (const std::string& note : resolved.notes) {
    log::event(LogLevel::warn, "tracing_environment", "why", note);
  }
  if (!resolved.target) return nullptr;
  const net::TlsClientContext* tls = nullptr;
  if (resolved.target->endpoint.https) {
    std::string message;
    tls = parts.tls.for_collector(resolved.target->tls, message);
    if (tls == nullptr) {
      log::event(LogLevel::warn, "tracing_environment", "why", message + ": tracing is off");
      return nullptr;
    }
  }
  log::event(LogLevel::info, "tracing_on", "endpoint", resolved.target->endpoint.text(), "by",
             resolved.source);
  return std::unique_ptr<TraceExport>(new TraceExport(std::move(*resolved.target), parts, tls));
}

TraceExport::TraceExport(tracing::Target target, const Parts& parts,
                         const net::TlsClientContext* tls)
    : connector_(parts.loop, parts.resolver, tls),
      exporter_(parts.loop.timers(), connector_, std::move(target)) {}

}  // namespace mcplb
