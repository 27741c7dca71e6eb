#include "unit/proxy/relayed.hpp"

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

// What the first write holds: its rest still goes out when the flow behind it is gone.
std::string first_write(ClientFraming framing, const std::string& reply) {
  Relayed r(framing);
  r.client_pipe.near->hold_at_most(1);
  r.start(reply);
  REQUIRE_FALSE(r.done());
  r.running->cancel();
  std::string all = r.got();
  for (std::string more = r.got(); !more.empty(); more = r.got())
    all += more;
  return all;
}

}  // namespace

TEST_SUITE("proxy/relay bodies") {
  TEST_CASE("the head and a small body leave in one write, with the end of the body") {
    CHECK(first_write(ClientFraming::length, length_head(5) + "hello") == our_head + "hello");
    CHECK(first_write(ClientFraming::chunked, chunked_head + "5\r\nhello\r\n0\r\n\r\n") ==
          our_head + "5\r\nhello\r\n0\r\n\r\n");
    CHECK(first_write(ClientFraming::none, length_head(0)) == our_head);
  }

  TEST_CASE("so do the head and a large body, as pieces") {
    const std::string body(limits::merged_body_bytes_max + 1, 'x');
    CHECK(first_write(ClientFraming::length, length_head(body.size()) + body) == our_head + body);
    CHECK(first_write(ClientFraming::chunked, chunked_head + chunk(body) + "0\r\n\r\n") ==
          our_head + chunk(body) + "0\r\n\r\n");
  }

  TEST_CASE("a head does not wait for its body, and what it was goes out once") {
    Relayed r(ClientFraming::length);
    r.start(length_head(5));
    CHECK(r.got() == our_head);
    r.send("he");
    CHECK(r.got() == "he");
    r.send("llo");
    CHECK(r.got() == "llo");
    CHECK(r.ended_as(RelayEnd::complete));
    CHECK(r.client_bytes == our_head.size() + 5);
    CHECK(r.backend.replies.reusable());
  }

  TEST_CASE("the chunks of one read become one chunk") {
    Relayed r;
    r.start(chunked_head);
    CHECK(r.got() == our_head);
    r.send("1\r\na\r\n2;ext=1\r\nbc\r\n3\r\nd");
    CHECK(r.got() == "4\r\nabcd\r\n");
    r.send("ef\r\n");
    CHECK(r.got() == "2\r\nef\r\n");
    r.send("0\r\n");
    CHECK(r.got().empty());
    CHECK_FALSE(r.done());
    r.send("\r\n");
    CHECK(r.got() == "0\r\n\r\n");
    CHECK(r.ended_as(RelayEnd::complete));
  }

  TEST_CASE("a chunked body is the same however its bytes arrive") {
    Relayed r;
    r.start(chunked_head);
    static_cast<test::PipeStream&>(*r.backend.stream).deliver_at_most(1);
    r.send("b\r\nhello world\r\n1\r\n!\r\n0\r\n\r\n");
    std::string expected = our_head;
    for (const char c : std::string("hello world!"))
      expected += chunk(std::string(1, c));
    CHECK(r.got() == expected + "0\r\n\r\n");
    CHECK(r.ended_as(RelayEnd::complete));
  }

  TEST_CASE("a close-delimited reply becomes a chunked one") {
    Relayed r;
    r.start(close_head + "hel");
    r.send("lo");
    r.end();
    CHECK(r.got() == our_head + chunk("hel") + chunk("lo") + "0\r\n\r\n");
    CHECK(r.ended_as(RelayEnd::complete));
    CHECK_FALSE(r.backend.replies.reusable());
  }

  TEST_CASE("a client of HTTP/1.0 gets the bare content") {
    Relayed r(ClientFraming::until_close);
    r.start(chunked_head + chunk("hello") + "0\r\n\r\n");
    CHECK(r.got() == our_head + "hello");
    CHECK(r.ended_as(RelayEnd::complete));
  }

  TEST_CASE("trailers go to a client that accepts them, and to no other") {
    const std::string trailers = "X-Sum: 1\r\n";
    for (const bool accepted : {true, false}) {
      const std::string last = "0\r\n" + (accepted ? trailers : "") + "\r\n";
      Relayed together;
      together.settings.trailers = accepted;
      together.start(chunked_head + chunk("hello") + "0\r\n" + trailers + "\r\n");
      CHECK(together.got() == our_head + chunk("hello") + last);
      Relayed apart;
      apart.settings.trailers = accepted;
      apart.start(chunked_head + chunk("hello"));
      apart.send("0\r\n" + trailers + "\r\n");
      CHECK(apart.got() == our_head + chunk("hello") + last);
    }
  }

  TEST_CASE("a client without chunks gets no trailers either") {
    Relayed r(ClientFraming::until_close);
    r.settings.trailers = true;
    r.start(chunked_head + chunk("hello") + "0\r\nX-Sum: 1\r\n\r\n");
    CHECK(r.got() == our_head + "hello");
  }
}

TEST_SUITE("proxy/relay endings") {
  TEST_CASE("a body that breaks off is never given an end") {
    struct Case {
      ClientFraming framing;
      std::string reply;
      std::string expected;
    };
    const Case cases[] = {
        {ClientFraming::length, length_head(9) + "hello", "hello"},
        {ClientFraming::chunked, chunked_head + "9\r\nhello", chunk("hello")},
        {ClientFraming::chunked, chunked_head + chunk("hello"), chunk("hello")},
    };
    for (const Case& c : cases) {
      CAPTURE(c.reply);
      Relayed r(c.framing);
      r.start(c.reply);
      r.end();
      CHECK(r.got() == our_head + c.expected);
      CHECK(r.ended_as(RelayEnd::backend_broke));
      CHECK(r.relay->error().side == Error::Side::backend);
      CHECK_FALSE(r.backend.replies.reusable());
    }
  }

  TEST_CASE("a reset is no end, not even of a close-delimited body") {
    Relayed r;
    r.start(close_head + "hello");
    r.backend_end().reset();
    r.backend_pipe.pump();
    CHECK(r.got() == our_head + chunk("hello"));
    CHECK(r.ended_as(RelayEnd::backend_broke));
    CHECK(r.relay->error().kind == Error::Kind::reset);
  }

  TEST_CASE("a bad first chunk beside the head leaves room for a reply of our own") {
    Relayed r;
    r.start(chunked_head + "zz\r\n");
    CHECK(r.ended_as(RelayEnd::not_begun));
    CHECK(r.relay->error().kind == Error::Kind::malformed);
    CHECK(r.got().empty());
    CHECK(r.client_bytes == 0);
  }

  TEST_CASE("a bad chunk later is a broken body") {
    Relayed r;
    r.start(chunked_head + chunk("hello"));
    r.send("zz\r\n");
    CHECK(r.got() == our_head + chunk("hello"));
    CHECK(r.ended_as(RelayEnd::backend_broke));
    CHECK(r.relay->error().kind == Error::Kind::malformed);
  }

  TEST_CASE("a backend that is silent for too long has broken") {
    Relayed r(ClientFraming::length);
    r.start(length_head(9) + "hello");
    r.clock.advance(milliseconds(59'000));
    r.send("x");
    r.clock.advance(milliseconds(59'000));
    CHECK_FALSE(r.done());
    r.clock.advance(milliseconds(1'100));
    CHECK(r.ended_as(RelayEnd::backend_broke));
    CHECK(r.relay->error().kind == Error::Kind::timeout);
  }

  TEST_CASE("a client that broke its connection is gone") {
    Relayed r(ClientFraming::length);
    r.start(length_head(9) + "hello");
    r.client().reset();
    r.client_pipe.pump();
    r.send("more");
    CHECK(r.ended_as(RelayEnd::client_gone));
  }

  TEST_CASE("a client that takes nothing for too long is let go") {
    Relayed r(ClientFraming::length);
    r.client_pipe.near->hold_at_most(1);
    r.start(length_head(9) + "hello");
    r.clock.advance(limits::client_write_stall - milliseconds(100));
    CHECK_FALSE(r.done());
    r.clock.advance(milliseconds(200));
    CHECK(r.ended_as(RelayEnd::client_gone));
    CHECK(r.relay->error().kind == Error::Kind::timeout);
  }

  TEST_CASE("while the client takes nothing, the backend is read one block ahead at most") {
    Relayed r(ClientFraming::length);
    const std::string body(40 * block_bytes, 'x');
    r.client_pipe.near->hold_at_most(100);
    r.start(length_head(body.size()) + body);
    for (int i = 0; i < 10; ++i)
      r.pump();
    const std::uint64_t written = r.client_pipe.near->bytes_written();
    const std::uint64_t read = r.backend.stream->bytes_read();
    CHECK(written <= 3 * block_bytes);
    CHECK(read <= written + block_bytes + length_head(body.size()).size());
    r.pump();
    CHECK(r.backend.stream->bytes_read() == read);
    std::string all;
    for (std::string more = r.got(); !more.empty(); more = r.got())
      all += more;
    CHECK(all.size() == our_head.size() + body.size());
    CHECK(r.ended_as(RelayEnd::complete));
  }
}
