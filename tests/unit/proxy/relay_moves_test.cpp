#include "unit/proxy/relayed.hpp"

using namespace mcplb;
using namespace mcplb::proxy;

TEST_SUITE("proxy/relay moves") {
  TEST_CASE("a stream that is asked to leave does so between two events") {
    EventStream s;
    s.start(chunked_head + chunk("data: 1\n\n"));
    s.got();
    s.ask(InFlight::Wish::leave, 1000);
    s.advance(900);
    CHECK_FALSE(s.done());
    s.advance(200);
    CHECK(s.ended_as(RelayEnd::left));
    CHECK(s.relay->at_boundary());
  }

  TEST_CASE("inside an event it waits for the end of that") {
    EventStream s;
    s.start(chunked_head + chunk("data: 1"));
    s.got();
    s.ask(InFlight::Wish::leave);
    s.advance(100);
    CHECK_FALSE(s.done());
    s.send(chunk("\n\n"));
    CHECK(s.got() == chunk("\n\n"));
    CHECK(s.ended_as(RelayEnd::left));
  }

  TEST_CASE("a backend that is given up has broken, for whoever waits for it") {
    EventStream s;
    s.start(chunked_head + chunk("data: 1\n\n"));
    s.got();
    s.ask(InFlight::Wish::cut);
    s.advance(100);
    CHECK(s.ended_as(RelayEnd::backend_broke));
    CHECK(s.relay->error().kind == Error::Kind::reset);
  }

  TEST_CASE("who is given up is not asked to leave any more") {
    EventStream s;
    s.start(chunked_head + chunk("data: 1\n\n"));
    s.got();
    s.ask(InFlight::Wish::cut, 100);
    s.ask(InFlight::Wish::leave, 5000);
    s.advance(200);
    CHECK(s.ended_as(RelayEnd::backend_broke));
  }

  TEST_CASE("who ends because we stop is not asked to leave any more") {
    EventStream s;
    s.start(chunked_head + chunk("data: 1\n\n"));
    s.got();
    s.ask(InFlight::Wish::stop, 1000);
    s.ask(InFlight::Wish::leave);
    s.in_flight.stay();
    s.advance(900);
    CHECK_FALSE(s.done());
    s.advance(200);
    CHECK(s.ended_as(RelayEnd::stopped));
  }

  TEST_CASE("an exchange that is done hears nothing any more") {
    EventStream s;
    s.start(chunked_head + chunk("data: 1\n\n"));
    s.got();
    s.ask(InFlight::Wish::cut, 100);
    s.in_flight.end();
    s.advance(200);
    CHECK_FALSE(s.done());
    CHECK(s.all.empty());
  }

  TEST_CASE("silent is who was told nothing between two looks") {
    EventStream s;
    s.start(chunked_head + chunk("data: 1\n\n"));
    s.got();
    CHECK_FALSE(s.in_flight.silent_since_look());
    s.in_flight.look();
    CHECK(s.in_flight.silent_since_look());
    s.send(chunk("data: 2\n\n"));
    s.got();
    CHECK_FALSE(s.in_flight.silent_since_look());
  }
}

TEST_SUITE("proxy/relay held bodies") {
  // A reply of which the first bytes were read before its relay.
  void begin_with(Relayed& r, const HeldContent& held, const std::string& reply) {
    r.backend_end().post(reply);
    r.backend_pipe.pump();
    REQUIRE(r.backend.replies.take_head(http::Method::get));
    if (held.last) {
      const auto part = r.backend.replies.next_part();
      REQUIRE(part);
      REQUIRE(part->last);
    }
    r.relay.emplace(*r.client_pipe.near, r.backend, r.settings, r.client_bytes);
    r.relay->begin_with(held);
    r.running.emplace(r.relay->run(r.head));
  }

  TEST_CASE("what was read goes out first, with the head") {
    Relayed r(ClientFraming::length);
    const HeldContent held{"hel", false};
    begin_with(r, held, length_head(2));
    CHECK(r.got() == our_head + "hel");
    r.send("lo");
    CHECK(r.got() == "lo");
    CHECK(r.ended_as(RelayEnd::complete));
  }

  TEST_CASE("a body that was read whole ends with it") {
    Relayed r;
    const HeldContent held{"hello", true};
    begin_with(r, held, length_head(5) + "hello");
    CHECK(r.got() == our_head + chunk("hello") + "0\r\n\r\n");
    CHECK(r.ended_as(RelayEnd::complete));
  }

  TEST_CASE("a copy is kept of what belongs to the opening of a session") {
    Relayed r;
    const std::string nearly_all(limits::session_opening_bytes_max - 3, 'x');
    std::string copy;
    r.start(chunked_head);
    r.relay->copy_to(copy);
    for (std::size_t at = 0; at < nearly_all.size(); at += 4096) {
      r.send(chunk(nearly_all.substr(at, 4096)));
      r.got();
    }
    r.send(chunk("def"));
    r.send(chunk("g"));
    CHECK(copy == nearly_all + "def");
  }
}
