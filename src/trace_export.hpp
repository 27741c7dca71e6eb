// The spans of this process on their way to a collector: the settings, the environment, TLS and the
// exporter put together.
#pragma once

#include <memory>

#include "mcplb/config/config.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/tracing/exporter.hpp"
#include "tls_setup.hpp"

namespace mcplb {

// Owned by the server; on the control loop but for the exporter's take(). Outlives the workers.
class TraceExport {
 public:
  // All outlive it.
  struct Parts {
    net::Loop& loop;
    net::Resolver& resolver;
    TlsSetup& tls;
  };
  // Null while tracing is off. The log says why it is off, if anybody asked for it, or where spans
  // go.
  static std::unique_ptr<TraceExport> create(const config::Settings& settings, const Parts& parts);

  tracing::Exporter& exporter() { return exporter_; }

 private:
  TraceExport(tracing::Target target, const Parts& parts, const net::TlsClientContext* tls);

  tracing::NetConnector connector_;
  tracing::Exporter exporter_;
};

}  // namespace mcplb
