#include "net/tls_stream.hpp"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "unit/net/tls_pair.hpp"

namespace mcplb::net {
namespace {

using Kind = Error::Kind;

struct Fixture {
  test::CertificateFolder folder;
  std::unique_ptr<TlsServerContext> server_context =
      server_of(one_certificate(folder.add("server", authority().issue({{"DNS:example.org"}}))));
  std::unique_ptr<TlsClientContext> client_context = client_of(client_settings());
  TlsPair pair{*client_context, *server_context};

  TlsClientSettings client_settings() const {
    TlsClientSettings settings;
    settings.ca = folder.add_file("ca.pem", authority().pem());
    return settings;
  }
};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

// Reads until `size` bytes have come or nothing moves any more.
std::string read_all(TlsPair& pair, Stream& from, std::size_t size) {
  std::string all;
  std::size_t before = size + 1;
  while (all.size() < size && all.size() != before) {
    before = all.size();
    pair.pump();
    all += from.unread();
    from.consume(from.unread().size());
  }
  return all;
}

struct Seen final : Stream::Watcher {
  int bytes = 0;
  int gone = 0;
  void on_bytes_unasked() override { ++bytes; }
  void on_peer_gone() override { ++gone; }
};

}  // namespace

TEST_SUITE("net/tls_stream") {
  TEST_CASE_FIXTURE(Fixture, "messages of all sizes arrive whole in both directions") {
    pair.open();
    for (const std::size_t size :
         {1u, 2u, 1000u, 16383u, 16384u, 16385u, 32768u, 65536u, 300000u}) {
      CAPTURE(size);
      const std::string text = pattern(size);
      auto asking = test::run(test::write(*pair.client, text, Deadline::never()));
      CHECK(read_all(pair, *pair.server, size) == text);
      REQUIRE(asking.done());
      CHECK(asking.result());
      auto answering = test::run(test::write(*pair.server, text, Deadline::never()));
      CHECK(read_all(pair, *pair.client, size) == text);
      REQUIRE(answering.done());
      CHECK(answering.result());
    }
  }

  TEST_CASE_FIXTURE(Fixture, "a connection works when every byte comes alone") {
    pair.near_wire.deliver_at_most(1);
    pair.far_wire.deliver_at_most(1);
    pair.open();
    auto asking = test::run(test::write(*pair.client, "hello", Deadline::never()));
    pair.pump();
    CHECK(pair.server->unread() == "hello");
    auto answering = test::run(test::write(*pair.server, pattern(20000), Deadline::never()));
    CHECK(read_all(pair, *pair.client, 20000) == pattern(20000));
  }

  TEST_CASE_FIXTURE(Fixture, "four pieces are one message and one record") {
    pair.open();
    const std::uint64_t before = pair.far_wire.bytes_read();
    Slices slices;
    slices.pieces = {"one ", "", "two ", "three"};
    auto write = [](Stream& stream, Slices bytes) -> Task<Result<void>> {
      co_return co_await stream.write(bytes, Deadline::never());
    };
    auto writing = test::run(write(*pair.client, slices));
    pair.pump();
    CHECK(writing.done());
    CHECK(pair.server->unread() == "one two three");
    // Record header, content type, tag.
    CHECK(pair.far_wire.bytes_read() - before == 13 + 5 + 1 + 16);
  }

  TEST_CASE_FIXTURE(Fixture, "a writer waits while the stream below takes nothing") {
    pair.open();
    pair.near_wire.hold_at_most(1000);
    const std::string text = pattern(50000);
    auto writing = test::run(test::write(*pair.client, text, Deadline::never()));
    CHECK(!writing.done());
    CHECK(pair.client->write_pending());
    CHECK(read_all(pair, *pair.server, text.size()) == text);
    CHECK(writing.done());
    CHECK(!pair.client->write_pending());
  }

  TEST_CASE_FIXTURE(Fixture, "a small write is not done before the stream below has it") {
    pair.open();
    pair.near_wire.hold_at_most(10);
    auto writing = test::run(test::write(*pair.client, "short", Deadline::never()));
    CHECK(!writing.done());
    pair.pump();
    REQUIRE(writing.done());
    CHECK(writing.result());
    CHECK(pair.server->unread() == "short");
  }

  TEST_CASE_FIXTURE(Fixture, "a reader that takes nothing stops the writer, and loses nothing") {
    pair.open();
    pair.near_wire.hold_at_most(4096);
    const std::string text = pattern(1'000'000);
    auto writing = test::run(test::write(*pair.client, text, Deadline::never()));
    pair.pump();
    CHECK(!writing.done());
    CHECK(pair.server->full());
    CHECK(!pair.far_wire.is_reading());
    CHECK(pair.far_wire.bytes_read() < 300'000);
    CHECK(read_all(pair, *pair.server, text.size()) == text);
    CHECK(writing.done());
  }

  TEST_CASE_FIXTURE(Fixture, "bytes that came with the end of the handshake are not forgotten") {
    auto connecting = test::run(pair.client->handshake(Deadline::never()));
    auto accepting = test::run(pair.server->handshake(Deadline::never()));
    while (!connecting.done())
      REQUIRE(pair.pump_once());
    auto asking = test::run(test::write(*pair.client, "early", Deadline::never()));
    pair.pump();
    REQUIRE(accepting.done());
    CHECK(pair.server->unread() == "early");
  }

  TEST_CASE_FIXTURE(Fixture, "tickets are no bytes for a connection that idles") {
    Seen seen;
    auto connecting = test::run(pair.client->handshake(Deadline::never()));
    auto accepting = test::run(pair.server->handshake(Deadline::never()));
    while (!connecting.done())
      REQUIRE(pair.pump_once());
    pair.client->watch(&seen);
    const std::uint64_t before = pair.near_wire.bytes_read();
    pair.pump();
    CHECK(accepting.done());
    CHECK(pair.near_wire.bytes_read() > before);  // the tickets
    CHECK(seen.bytes == 0);
    CHECK(seen.gone == 0);
    CHECK(pair.client->is_quiet());
    pair.client->watch(nullptr);
  }

  TEST_CASE_FIXTURE(Fixture, "a ticket that waits in the socket leaves the connection quiet") {
    auto connecting = test::run(pair.client->handshake(Deadline::never()));
    auto accepting = test::run(pair.server->handshake(Deadline::never()));
    while (!accepting.done())
      REQUIRE(pair.pump_once());
    CHECK(!pair.near_wire.is_quiet());
    CHECK(pair.client->is_quiet());
    CHECK(pair.near_wire.is_quiet());
  }

  TEST_CASE_FIXTURE(Fixture, "bytes that wait in the socket are seen and not lost") {
    pair.open();
    auto answering = test::run(test::write(*pair.server, "unasked", Deadline::never()));
    CHECK(!pair.client->is_quiet());
    pair.pump();
    CHECK(pair.client->unread() == "unasked");
  }

  TEST_CASE_FIXTURE(Fixture, "an idle connection tells its watcher of bytes and of the end") {
    Seen seen;
    pair.open();
    pair.client->watch(&seen);
    auto answering = test::run(test::write(*pair.server, "x", Deadline::never()));
    pair.pump();
    CHECK(seen.bytes == 1);
    pair.server.reset();
    pair.pump();
    CHECK(seen.gone == 1);
    CHECK(!pair.client->is_quiet());
    pair.client->watch(nullptr);
  }

  TEST_CASE_FIXTURE(Fixture, "an end with close_notify is an orderly one, after the bytes before") {
    pair.open();
    auto answering = test::run(test::write(*pair.server, "bye", Deadline::never()));
    pair.server->shutdown_write();
    pair.pump();
    CHECK(pair.client->unread() == "bye");
    REQUIRE(pair.client->end());
    CHECK(pair.client->end()->kind == Kind::closed);
  }

  TEST_CASE_FIXTURE(Fixture, "a stream that dies says goodbye") {
    pair.open();
    pair.server.reset();
    pair.pump();
    REQUIRE(pair.client->end());
    CHECK(pair.client->end()->kind == Kind::closed);
  }

  TEST_CASE_FIXTURE(Fixture, "an end without close_notify is a truncation") {
    pair.open();
    auto answering = test::run(test::write(*pair.server, "half of it", Deadline::never()));
    pair.far_wire.shutdown_write();
    pair.pump();
    CHECK(pair.client->unread() == "half of it");
    REQUIRE(pair.client->end());
    CHECK(pair.client->end()->kind == Kind::reset);
  }

  TEST_CASE_FIXTURE(Fixture, "reset_on_close reaches the stream below and skips the goodbye") {
    pair.open();
    pair.server->reset_on_close(true);
    pair.server.reset();
    pair.pump();
    REQUIRE(pair.client->end());
    CHECK(pair.client->end()->kind == Kind::reset);
    CHECK(std::string(pair.client->end()->what) == "peer ended the connection");
  }

  TEST_CASE_FIXTURE(Fixture, "bytes that are no records end the connection as a reset") {
    pair.open();
    pair.far_wire.post("this is no record at all, whatever it looks like");
    pair.pump();
    REQUIRE(pair.client->end());
    CHECK(pair.client->end()->kind == Kind::reset);
  }

  TEST_CASE_FIXTURE(Fixture, "a write into a broken connection fails") {
    pair.open();
    pair.far_wire.reset();
    pair.pump();
    auto writing = test::run(test::write(*pair.client, "x", Deadline::never()));
    REQUIRE(writing.done());
    CHECK(!writing.result());
    CHECK(pair.client->bytes_written() == 0);
  }

  TEST_CASE_FIXTURE(Fixture, "a write that waits learns that the connection broke") {
    pair.open();
    pair.near_wire.hold_at_most(100);
    auto writing = test::run(test::write(*pair.client, pattern(40000), Deadline::never()));
    CHECK(!writing.done());
    pair.far_wire.reset();
    pair.pump();
    REQUIRE(writing.done());
    CHECK(writing.result().error().kind == Kind::reset);
  }

  TEST_CASE_FIXTURE(Fixture, "both sides may change their keys while the connection idles") {
    pair.open();
    Seen seen;
    pair.client->watch(&seen);
    REQUIRE(SSL_key_update(pair.server_ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(SSL_do_handshake(pair.server_ssl) == 1);
    pair.pump();
    CHECK(seen.bytes == 0);
    CHECK(pair.client->is_quiet());
    pair.client->watch(nullptr);
    auto asking = test::run(test::write(*pair.client, "with new keys", Deadline::never()));
    auto answering = test::run(test::write(*pair.server, "so do I", Deadline::never()));
    pair.pump();
    CHECK(pair.server->unread() == "with new keys");
    CHECK(pair.client->unread() == "so do I");
  }

  TEST_CASE_FIXTURE(Fixture, "a handshake that stands still ends at its deadline") {
    auto accepting = test::run(pair.server->handshake(pair.clock.in(milliseconds(10'000))));
    pair.near_wire.post(std::string_view("\x16\x03\x01\x00\xf0\x01\x00\x00", 8));
    pair.pump();
    pair.clock.advance(milliseconds(9'900));
    CHECK(!accepting.done());
    pair.clock.advance(milliseconds(200));
    REQUIRE(accepting.done());
    CHECK(accepting.result().error().kind == Kind::timeout);
  }

  TEST_CASE_FIXTURE(Fixture, "plain HTTP on a TLS port fails with a reason that says so") {
    auto accepting = test::run(pair.server->handshake(Deadline::never()));
    pair.near_wire.post("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    pair.pump();
    REQUIRE(accepting.done());
    CHECK(accepting.result().error().kind == Kind::malformed);
    CHECK(std::string(accepting.result().error().what) == "http request");
  }

  TEST_CASE_FIXTURE(Fixture, "a client that leaves during the handshake ends it") {
    auto accepting = test::run(pair.server->handshake(Deadline::never()));
    pair.near_wire.post(std::string_view("\x16\x03\x01", 3));
    pair.near_wire.shutdown_write();
    pair.pump();
    REQUIRE(accepting.done());
    CHECK(accepting.result().error().kind == Kind::closed);
  }

  TEST_CASE_FIXTURE(Fixture, "a flow may destroy the stream that wakes it") {
    pair.open();
    struct Ends final : Stream::Watcher {
      std::unique_ptr<TlsStream>* stream = nullptr;
      void on_bytes_unasked() override { stream->reset(); }
      void on_peer_gone() override {}
    } ends;
    ends.stream = &pair.client;
    pair.client->watch(&ends);
    auto answering = test::run(test::write(*pair.server, pattern(100'000), Deadline::never()));
    pair.pump();
    CHECK(!pair.client);
  }
}

}  // namespace mcplb::net
