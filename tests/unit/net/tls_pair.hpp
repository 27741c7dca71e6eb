// A TLS client and a TLS server over a pipe.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "mcplb/net/tls.hpp"

#include "net/tls_stream.hpp"
#include "support/certificates.hpp"
#include "support/fake_clock.hpp"
#include "support/manual_defer_queue.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

namespace mcplb::net {

// Making keys is slow: one authority for all tests.
inline const test::Authority& authority() {
  static const test::Authority shared;
  return shared;
}

inline TlsServerSettings one_certificate(const TlsCertificateSettings& pair) {
  TlsServerSettings settings;
  settings.certificate = pair.certificate;
  settings.key = pair.key;
  return settings;
}

inline std::unique_ptr<TlsServerContext> server_of(const TlsServerSettings& settings) {
  TlsProblem problem;
  auto context = TlsServerContext::create(settings, problem);
  INFO(problem.key, " ", problem.file, " ", problem.reason);
  REQUIRE(context);
  return context;
}

inline std::unique_ptr<TlsClientContext> client_of(const TlsClientSettings& settings) {
  TlsProblem problem;
  auto context = TlsClientContext::create(settings, problem);
  INFO(problem.key, " ", problem.file, " ", problem.reason);
  REQUIRE(context);
  return context;
}

class TlsPair {
 public:
  TlsPair(const TlsClientContext& client_context, const TlsServerContext& server_context,
          const std::string& name = "example.org")
      : pipe_(clock.timers(), buffers),
        near_wire(*pipe_.near),
        far_wire(*pipe_.far) {
    TlsSession near = client_context.new_session(name);
    TlsSession far = server_context.new_session();
    client_ssl = near.ssl.get();
    server_ssl = far.ssl.get();
    const TlsStream::Home home{later, buffers};
    client = std::make_unique<TlsStream>(home, std::move(pipe_.near), std::move(near));
    server = std::make_unique<TlsStream>(home, std::move(pipe_.far), std::move(far));
  }

  bool pump_once() { return pipe_.pump_once(); }
  void pump() {
    do {
      pipe_.pump();
      later.run();
    } while (pipe_.pump_once() || !later.empty());
  }

  // Both results, the client's first.
  std::pair<Result<void>, Result<void>> shake_hands() {
    auto connecting = test::run(client->handshake(Deadline::never()));
    auto accepting = test::run(server->handshake(Deadline::never()));
    pump();
    verified = SSL_get_verify_result(client_ssl);
    // Whoever fails closes, as the owners of streams do.
    if (connecting.done() && !connecting.result()) client.reset();
    if (accepting.done() && !accepting.result()) server.reset();
    pump();
    REQUIRE(connecting.done());
    REQUIRE(accepting.done());
    return {connecting.result(), accepting.result()};
  }

  void open() {
    const auto [connected, accepted] = shake_hands();
    const std::string why = connected ? "" : connected.error().what;
    INFO(why);
    REQUIRE(connected);
    REQUIRE(accepted);
  }

  test::FakeClock clock;
  BufferPool buffers{64 * 1024};
  test::ManualDeferQueue later;

 private:
  test::Pipe pipe_;

 public:
  test::PipeStream& near_wire;  // the client's, while the client lives
  test::PipeStream& far_wire;
  ssl_st* client_ssl = nullptr;  // while the streams live
  ssl_st* server_ssl = nullptr;
  long verified = 0;  // what the client says of the server's certificate, after shake_hands()
  std::unique_ptr<TlsStream> client;
  std::unique_ptr<TlsStream> server;
};

}  // namespace mcplb::net
