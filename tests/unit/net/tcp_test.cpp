// Listening, connecting, resolving.
#include "mcplb/net/tcp.hpp"

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/limits.hpp"

#include "support/raw_socket.hpp"
#include "support/run_task.hpp"

using namespace mcplb;

namespace {

net::ListenerSettings at(std::string address) {
  net::ListenerSettings settings;
  settings.address = std::move(address);
  return settings;
}

Deadline soon(net::Loop& loop) {
  return loop.timers().in(milliseconds(5000));
}

// Sends everything back until the client ends its side.
class Echo final : public Job {
 public:
  Echo(std::unique_ptr<net::Stream> stream, net::Loop& loop)
      : stream_(std::move(stream)),
        loop_(loop) {}

 private:
  Task<void> run() override {
    while (true) {
      auto more = co_await stream_->more(soon(loop_));
      if (!more) co_return;
      const std::string bytes(stream_->unread());
      stream_->consume(bytes.size());
      auto written = co_await stream_->write(bytes, soon(loop_));
      if (!written) co_return;
    }
  }
  std::unique_ptr<net::Stream> stream_;
  net::Loop& loop_;
};

struct EchoServer {
  explicit EchoServer(const std::string& address) {
    auto listening =
        net::Acceptor::listen(loop, at(address), [this](net::Acceptor::Accepted accepted) {
          peers.push_back(accepted.peer.text());
          auto stream = net::adopt_socket(loop, accepted.fd, accepted.peer);
          REQUIRE(stream);
          nursery.spawn(std::make_unique<Echo>(*std::move(stream), loop));
        });
    REQUIRE(listening);
    acceptor = *std::move(listening);
  }
  std::uint16_t port() const { return acceptor->local_address().port(); }

  net::Loop loop{limits::buffer_block_bytes};
  Nursery nursery{loop};
  std::vector<std::string> peers;
  std::unique_ptr<net::Acceptor> acceptor;
};

Task<std::string> say(net::Stream& stream, std::string text, net::Loop& loop) {
  auto written = co_await stream.write(text, soon(loop));
  if (!written) co_return written.error().what;
  while (stream.unread().size() < text.size()) {
    auto more = co_await stream.more(soon(loop));
    if (!more) co_return more.error().what;
  }
  co_return std::string(stream.unread());
}

Task<std::string> connect_and_say(EchoServer& server, net::Address address, std::string text) {
  auto stream = co_await net::connect(server.loop, address, soon(server.loop));
  if (!stream) co_return stream.error().what;
  co_return co_await say(**stream, text, server.loop);
}

Task<void> write_much(net::Stream& stream, std::size_t total, net::Loop& loop) {
  const std::string piece(100'000, 'x');
  for (std::size_t written = 0; written < total; written += piece.size()) {
    auto result = co_await stream.write(piece, soon(loop));
    if (!result) co_return;
  }
}

Task<std::size_t> read_much(net::Stream& stream, std::size_t total, net::Loop& loop) {
  std::size_t read = 0;
  while (read < total) {
    auto more = co_await stream.more(soon(loop));
    read += stream.unread().size();
    stream.consume(stream.unread().size());
    if (!more) break;
  }
  co_return read;
}

std::string socket_path(const char* name) {
  const std::string file = "mcplb_" + std::to_string(::getpid()) + "_" + name;
  return (std::filesystem::temp_directory_path() / file).string();
}

}  // namespace

TEST_SUITE("net/tcp") {
  TEST_CASE("a client connects, is accepted, and talks") {
    EchoServer server("127.0.0.1:0");
    CHECK(server.port() != 0);
    const net::Address address = server.acceptor->local_address();
    CHECK(test::run_on(server.loop, connect_and_say(server, address, "hello")) == "hello");
    REQUIRE(server.peers.size() == 1);
    CHECK(server.peers[0].starts_with("127.0.0.1:"));
  }

  TEST_CASE("many clients talk at the same time") {
    EchoServer server("127.0.0.1:0");
    const net::Address address = server.acceptor->local_address();
    std::vector<test::Running<std::string>> clients;
    for (int i = 0; i < 200; ++i) {
      clients.push_back(test::run(connect_and_say(server, address, "client " + std::to_string(i))));
    }
    test::run_on(server.loop, connect_and_say(server, address, "last"));
    for (int i = 0; i < 200; ++i) {
      auto& client = clients[static_cast<std::size_t>(i)];
      while (!client.done())
        test::run_on(server.loop, connect_and_say(server, address, "turn"));
      CHECK(client.result() == "client " + std::to_string(i));
    }
  }

  TEST_CASE("much more than any buffer flows both ways at once") {
    EchoServer server("127.0.0.1:0");
    const net::Address address = server.acceptor->local_address();
    auto stream = test::run_on(server.loop, net::connect(server.loop, address, soon(server.loop)));
    REQUIRE(stream);
    constexpr std::size_t total = 20'000'000;
    auto writing = test::run(write_much(**stream, total, server.loop));
    const auto read = test::run_on(server.loop, read_much(**stream, total, server.loop));
    CHECK(read == total);
    CHECK(writing.done());
  }

  TEST_CASE("clients that wait together are all accepted, also more than one turn takes") {
    net::Loop loop(limits::buffer_block_bytes);
    constexpr std::size_t count = 3 * limits::accepts_per_turn + 1;
    std::vector<test::RawSocket> accepted;
    auto listening = net::Acceptor::listen(
        loop, at("127.0.0.1:0"), [&](auto connection) { accepted.emplace_back(connection.fd); });
    REQUIRE(listening);
    std::vector<test::RawSocket> clients;
    for (std::size_t i = 0; i < count; ++i) {
      const auto port = (*listening)->local_address().port();
      clients.push_back(test::RawSocket::connect_to_port(port));
    }
    for (int turns = 0; turns < 100 && accepted.size() < count; ++turns) {
      test::run_on(loop, test::turn(loop));
    }
    CHECK(accepted.size() == count);
  }

  TEST_CASE("the loop's time is that of the turn, also when it has slept until bytes came") {
    struct Timed final : net::Stream::Watcher {
      void on_bytes_unasked() override {
        bytes_at = stream->timers().now();
        bytes_us = stream->timers().turn_us();
      }
      void on_peer_gone() override {}
      std::unique_ptr<net::Stream> stream;
      TimePoint bytes_at = 0;
      std::int64_t bytes_us = 0;
    };
    net::Loop loop(limits::buffer_block_bytes);
    Timed timed;
    auto listening = net::Acceptor::listen(loop, at("127.0.0.1:0"), [&](auto connection) {
      timed.stream = *net::adopt_socket(loop, connection.fd, connection.peer);
      timed.stream->watch(&timed);
    });
    REQUIRE(listening);
    auto client = test::RawSocket::connect_to_port((*listening)->local_address().port());
    for (int turns = 0; turns < 100 && !timed.stream; ++turns) {
      test::run_on(loop, test::turn(loop));
    }
    REQUIRE(timed.stream);
    std::int64_t sent_us = 0;
    std::thread sender([&] {
      net::Loop own(limits::buffer_block_bytes);
      test::run_on(own, test::turn(own, milliseconds(100)));
      sent_us = monotonic_us();
      client.send("bytes");
    });
    // No timer of the loop is due meanwhile.
    test::run_on(loop, test::turn(loop, milliseconds(300)));
    sender.join();
    CHECK(timed.bytes_us >= sent_us);
    CHECK(timed.bytes_at >= sent_us / 1000 - 10);
  }

  TEST_CASE("connecting to a port where nobody listens is refused") {
    net::Loop loop(limits::buffer_block_bytes);
    std::uint16_t port = 0;
    {
      const test::RawListener listener;
      port = listener.port();
    }
    const auto address = net::Address::from_ip("127.0.0.1", port);
    const auto stream = test::run_on(loop, net::connect(loop, *address, soon(loop)));
    REQUIRE_FALSE(stream);
    CHECK(stream.error().kind == Error::Kind::refused);
    CHECK(stream.error().side == Error::Side::backend);
    CHECK(stream.error().os_code == ECONNREFUSED);
  }

  TEST_CASE("a connect that is cancelled leaves nothing behind") {
    test::RawListener listener;
    net::Loop loop(limits::buffer_block_bytes);
    const auto address = net::Address::from_ip("127.0.0.1", listener.port());
    { const auto connecting = test::run(net::connect(loop, *address, soon(loop))); }
    CHECK(test::run_on(loop, net::connect(loop, *address, soon(loop))));
  }
}

TEST_SUITE("net/acceptor") {
  TEST_CASE("a second listener on the same port fails loudly") {
    const EchoServer first("127.0.0.1:0");
    net::Loop loop(limits::buffer_block_bytes);
    const auto second =
        net::Acceptor::listen(loop, at("127.0.0.1:" + std::to_string(first.port())), [](auto) {});
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == Error::Kind::config);
    CHECK(second.error().os_code == EADDRINUSE);
  }

  TEST_CASE("a port is free again when its listener is destroyed, also with old connections") {
    EchoServer server("127.0.0.1:0");
    const std::string address = server.acceptor->local_address().text();
    test::run_on(server.loop, connect_and_say(server, server.acceptor->local_address(), "x"));
    server.acceptor.reset();
    CHECK(net::Acceptor::listen(server.loop, at(address), [](auto) {}));
  }

  TEST_CASE("refuses addresses that make no sense") {
    net::Loop loop(limits::buffer_block_bytes);
    for (const char* const address : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                                      "example.com:80", "unix:", "127.0.0.1:80x"}) {
      CAPTURE(address);
      CHECK_FALSE(net::Acceptor::listen(loop, at(address), [](auto) {}));
    }
  }

  TEST_CASE("serves a unix socket and removes its path at the end") {
    const std::string path = socket_path("served");
    {
      EchoServer server("unix:" + path);
      CHECK(server.acceptor->local_address().text() == "unix:" + path);
      test::RawSocket raw = test::RawSocket::connect_to_path(path);
      REQUIRE(raw.error() == 0);
      auto stream = net::adopt_socket(server.loop, raw.release(), server.acceptor->local_address());
      REQUIRE(stream);
      CHECK(test::run_on(server.loop, say(**stream, "hello", server.loop)) == "hello");
    }
    CHECK_FALSE(std::filesystem::exists(path));
  }

  TEST_CASE("takes over the path of a process that is gone, not of one that listens") {
    const std::string path = socket_path("taken_over");
    net::Loop loop(limits::buffer_block_bytes);
    {
      const auto first = net::Acceptor::listen(loop, at("unix:" + path), [](auto) {});
      REQUIRE(first);
      CHECK_FALSE(net::Acceptor::listen(loop, at("unix:" + path), [](auto) {}));
      CHECK(std::filesystem::exists(path));
      // What a crash would leave behind.
      std::filesystem::rename(path, path + ".left");
    }
    std::filesystem::rename(path + ".left", path);
    CHECK(net::Acceptor::listen(loop, at("unix:" + path), [](auto) {}));
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_SUITE("net/resolver") {
  TEST_CASE("knows localhost, with the port that was asked for") {
    net::Loop loop(limits::buffer_block_bytes);
    net::Resolver resolver(loop);
    for (const std::uint16_t port : {std::uint16_t{8080}, std::uint16_t{9090}}) {
      const auto found = test::run_on(loop, resolver.resolve("localhost", port, soon(loop)));
      REQUIRE(found);
      REQUIRE_FALSE(found->empty());
      CHECK(found->size() <= limits::addresses_max);
      for (const net::Address& address : *found) {
        CHECK(address.port() == port);
        const std::string ip = address.ip_text();
        CHECK((ip == "::1" || ip.starts_with("127.")));
      }
    }
  }

  TEST_CASE("answers IP literals at once") {
    net::Loop loop(limits::buffer_block_bytes);
    net::Resolver resolver(loop);
    auto v4 = test::run(resolver.resolve("192.0.2.1", 80, soon(loop)));
    auto v6 = test::run(resolver.resolve("2001:db8::1", 80, soon(loop)));
    REQUIRE(v4.done());
    REQUIRE(v6.done());
    CHECK(v4.result()->at(0).text() == "192.0.2.1:80");
    CHECK(v6.result()->at(0).text() == "[2001:db8::1]:80");
  }

  TEST_CASE("a name that cannot exist is unreachable") {
    net::Loop loop(limits::buffer_block_bytes);
    net::Resolver resolver(loop);
    const std::string name(300, 'x');
    const auto found = test::run_on(loop, resolver.resolve(name, 80, soon(loop)));
    REQUIRE_FALSE(found);
    CHECK(found.error().kind == Error::Kind::unreachable);
    CHECK(found.error().side == Error::Side::backend);
  }

  TEST_CASE("a look-up that is cancelled may end after its resolver and before its loop") {
    net::Loop loop(limits::buffer_block_bytes);
    {
      net::Resolver resolver(loop);
      const auto looking = test::run(resolver.resolve("localhost", 80, soon(loop)));
      CHECK_FALSE(looking.done());
    }
  }

  TEST_CASE("connect_host() tries the addresses of a name until one answers") {
    EchoServer server("127.0.0.1:0");
    net::Resolver resolver(server.loop);
    const auto stream = test::run_on(
        server.loop,
        net::connect_host(server.loop, resolver, "localhost", server.port(), soon(server.loop)));
    CHECK(stream);
  }
}
