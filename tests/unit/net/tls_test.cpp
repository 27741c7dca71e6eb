#include "mcplb/net/tls.hpp"

#include <array>

#include <doctest/doctest.h>
#include <sys/socket.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/net/tcp.hpp"

#include "unit/net/tls_pair.hpp"

namespace mcplb::net {
namespace {

using StreamResult = Result<std::unique_ptr<Stream>>;

// Both ends of a connection on one real loop, without a port.
struct Sockets {
  Loop loop{limits::buffer_block_bytes};
  std::unique_ptr<Stream> near;
  std::unique_ptr<Stream> far;
  test::CertificateFolder folder;
  std::unique_ptr<TlsServerContext> server =
      server_of(one_certificate(folder.add("s", authority().issue({{"DNS:example.org"}}))));
  std::unique_ptr<TlsClientContext> client = trusting();

  Sockets() {
    std::array<int, 2> ends{};
    constexpr int kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    REQUIRE(::socketpair(AF_UNIX, kind, 0, ends.data()) == 0);
    const auto peer = Address::from_unix_path("/pair");
    near = *adopt_socket(loop, ends[0], *peer);
    far = *adopt_socket(loop, ends[1], *peer);
  }

  std::unique_ptr<TlsClientContext> trusting() const {
    TlsClientSettings settings;
    settings.ca = folder.add_file("ca.pem", authority().pem());
    return client_of(settings);
  }
  Deadline soon() { return loop.timers().in(milliseconds(5000)); }
  Task<StreamResult> accepting() { return tls_accept(loop, std::move(far), *server, soon()); }
  Task<StreamResult> connecting(std::string name) {
    return tls_connect(loop, std::move(near), *client, std::move(name), soon());
  }
};

}  // namespace

TEST_SUITE("net/tls") {
  TEST_CASE_FIXTURE(Sockets, "both handshakes give streams, and are counted") {
    const std::uint64_t accepted = tls_counts().accepted.value();
    const std::uint64_t connected = tls_counts().connected.value();
    auto asking = test::run(connecting("example.org"));
    auto stream = test::run_on(loop, accepting());  // the server is the last to be done
    REQUIRE(stream);
    REQUIRE(asking.done());
    REQUIRE(asking.result());
    auto writing = test::run(test::write(**asking.result(), "hello", soon()));
    CHECK(test::run_on(loop, test::more(**stream, soon())));
    CHECK((*stream)->unread() == "hello");
    CHECK(tls_counts().accepted.value() == accepted + 1);
    CHECK(tls_counts().connected.value() == connected + 1);
  }

  TEST_CASE_FIXTURE(Sockets, "a server that is not believed is unreachable, with the reason") {
    const std::uint64_t failed = tls_counts().failed.value();
    auto serving = test::run(accepting());
    const auto stream = test::run_on(loop, connecting("example.com"));
    REQUIRE(!stream);
    CHECK(stream.error().kind == Error::Kind::unreachable);
    CHECK(stream.error().side == Error::Side::backend);
    CHECK(std::string(stream.error().what) == "certificate verify failed: hostname mismatch");
    CHECK(tls_counts().failed.value() > failed);
  }

  TEST_CASE_FIXTURE(Sockets, "a server that leaves is unreachable") {
    far.reset();
    const auto stream = test::run_on(loop, connecting("example.org"));
    REQUIRE(!stream);
    CHECK(stream.error().kind == Error::Kind::unreachable);
  }

  TEST_CASE_FIXTURE(Sockets, "a client that says nothing and leaves is no failure") {
    const std::uint64_t failed = tls_counts().failed.value();
    near.reset();
    const auto stream = test::run_on(loop, accepting());
    REQUIRE(!stream);
    CHECK(stream.error().kind == Error::Kind::closed);
    CHECK(stream.error().side == Error::Side::client);
    CHECK(tls_counts().failed.value() == failed);
  }

  TEST_CASE_FIXTURE(Sockets, "a client that leaves half-way broke the connection") {
    {
      auto begun = test::run(test::write(*near, "\x16\x03", soon()));
      REQUIRE(begun.done());
      near.reset();
    }
    const auto stream = test::run_on(loop, accepting());
    REQUIRE(!stream);
    CHECK(stream.error().kind == Error::Kind::reset);
  }

  TEST_CASE_FIXTURE(Sockets, "silence ends at the deadline") {
    const Deadline now = loop.timers().in(milliseconds(20));
    auto failing = tls_accept(loop, std::move(far), *server, now);
    const auto stream = test::run_on(loop, std::move(failing));
    REQUIRE(!stream);
    CHECK(stream.error().kind == Error::Kind::timeout);
  }
}

}  // namespace mcplb::net
