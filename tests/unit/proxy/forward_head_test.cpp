#include "proxy/forward_head.hpp"

#include <string>

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

// A request from the lines that a client would send. Not movable: its head points into it.
struct Sent {
  explicit Sent(const std::string& start, const std::string& fields = "")
      : bytes(start + "\r\n" + fields + "\r\n") {
    REQUIRE(http::parse_request_head(bytes, http::Settings{}, head));
    forwarding.target = head.target;
    forwarding.client_ip = "192.0.2.7";
    forwarding.request_id = "r-1";
    forwarding.default_host = "backend:80";
  }
  Sent(const Sent&) = delete;
  Sent& operator=(const Sent&) = delete;

  std::string forwarded() const {
    std::string out;
    append_backend_head(out, head, forwarding);
    return out;
  }
  bool forwards(const std::string& line) const {
    return forwarded().find("\r\n" + line + "\r\n") != std::string::npos;
  }
  bool forwards_field(const std::string& name) const {
    return forwarded().find("\r\n" + name + ": ") != std::string::npos;
  }

  std::string bytes;
  http::RequestHead head;
  RequestForwarding forwarding;
};

struct Replied {
  explicit Replied(const std::string& start, const std::string& fields = "",
                   http::Method method = http::Method::get)
      : bytes(start + "\r\n" + fields + "\r\n") {
    REQUIRE(http::parse_reply_head(bytes, method, http::Settings{}, head));
    forwarding.request_id = "r-1";
  }
  Replied(const Replied&) = delete;
  Replied& operator=(const Replied&) = delete;

  std::string forwarded() const {
    std::string out;
    append_client_head(out, head, forwarding);
    return out;
  }
  bool forwards(const std::string& line) const {
    return forwarded().find("\r\n" + line + "\r\n") != std::string::npos;
  }
  bool forwards_field(const std::string& name) const {
    return forwarded().find("\r\n" + name + ": ") != std::string::npos;
  }

  std::string bytes;
  http::ReplyHead head;
  ReplyForwarding forwarding;
};

const std::string get = "GET /a?b HTTP/1.1";
const std::string host = "Host: h.example\r\n";
const std::string dated = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

}  // namespace

TEST_SUITE("proxy/forward_head requests") {
  TEST_CASE("a trace goes on as the client has it, or as it is told to") {
    const std::string fields = "Host: h\r\nTraceparent: theirs\r\nTRACESTATE: a=1\r\n";
    Sent untouched("GET / HTTP/1.1", fields);
    CHECK(untouched.forwards("Traceparent: theirs"));
    CHECK(untouched.forwards("TRACESTATE: a=1"));
    Sent replaced("GET / HTTP/1.1", fields);
    replaced.forwarding.traceparent = "ours";
    CHECK(replaced.forwards("traceparent: ours"));
    CHECK(!replaced.forwards_field("Traceparent"));
    CHECK(!replaced.forwards_field("TRACESTATE"));
    CHECK(!replaced.forwards_field("tracestate"));
    replaced.forwarding.tracestate = "b=2";
    CHECK(replaced.forwards("tracestate: b=2"));
  }

  TEST_CASE("the session is spelled as the owner knows it, wherever that differs") {
    Sent sent(get, host + "mcp-session-id: outside\r\nX-Own: outside\r\n");
    CHECK(sent.forwards("mcp-session-id: outside"));
    sent.forwarding.session = "inside";
    CHECK(sent.forwards("mcp-session-id: inside"));
    CHECK(sent.forwards("X-Own: outside"));
    sent.forwarding.drops_session = true;
    CHECK_FALSE(sent.forwards_field("mcp-session-id"));
    Sent without(get, host);
    without.forwarding.session = "inside";
    CHECK(without.forwarded().find("inside") == std::string::npos);
  }

  TEST_CASE("a request is written anew with who the client is") {
    const Sent sent(get, host + "Accept: x/y\r\nX-Own: 1\r\n");
    CHECK(sent.forwarded() ==
          "GET /a?b HTTP/1.1\r\nHost: h.example\r\nAccept: x/y\r\nX-Own: 1\r\n"
          "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"
          "X-Forwarded-Host: h.example\r\nX-Real-IP: 192.0.2.7\r\nX-Request-Id: r-1\r\n\r\n");
  }

  TEST_CASE("fields of this hop do not travel, nor what Connection names") {
    const Sent sent(get, host +
                             "Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n"
                             "Upgrade: h2c\r\nProxy-Connection: x\r\nProxy-Authorization: y\r\n"
                             "TE: gzip\r\nX-Kept: 1\r\n");
    for (const char* name : {"Connection", "X-Mine", "Keep-Alive", "Upgrade", "Proxy-Connection",
                             "Proxy-Authorization", "TE"}) {
      CAPTURE(name);
      CHECK_FALSE(sent.forwards_field(name));
    }
    CHECK(sent.forwards("X-Kept: 1"));
  }

  TEST_CASE("a client that accepts trailers is known as one") {
    const Sent sent(get, host + "TE: trailers\r\nConnection: TE\r\n");
    CHECK(sent.forwards("TE: trailers\r\nConnection: TE"));
  }

  TEST_CASE("the body that was read whole has a length, whatever it had before") {
    Sent chunked("POST / HTTP/1.1", host +
                                        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
                                        "Trailer: X-Sum\r\n");
    chunked.forwarding.body_bytes = 12;
    CHECK(chunked.forwards("Content-Length: 12"));
    CHECK_FALSE(chunked.forwards_field("Transfer-Encoding"));
    CHECK_FALSE(chunked.forwards_field("Expect"));
    CHECK_FALSE(chunked.forwards_field("Trailer"));
    CHECK(Sent("POST / HTTP/1.1", host).forwards("Content-Length: 0"));
    CHECK_FALSE(Sent("DELETE / HTTP/1.1", host).forwards_field("Content-Length"));
  }

  TEST_CASE("an absolute target names the host, an HTTP/1.0 request may name none") {
    CHECK(Sent("GET http://other.example/x HTTP/1.1", "Host: other.example\r\n")
              .forwarded()
              .starts_with("GET /x HTTP/1.1\r\nHost: other.example\r\n"));
    const Sent old("GET / HTTP/1.0");
    CHECK(old.forwarded().starts_with("GET / HTTP/1.1\r\nHost: backend:80\r\n"));
    CHECK_FALSE(old.forwards_field("X-Forwarded-Host"));
  }

  TEST_CASE("the chain of X-Forwarded-For grows by the client, in one line") {
    const Sent sent(get, host + "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n");
    CHECK(sent.forwards("X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7"));
  }

  TEST_CASE("a client that came over TLS is said to use https, whatever it says itself") {
    Sent sent(get, host + "X-Forwarded-Proto: http\r\n");
    sent.forwarding.client_https = true;
    CHECK(sent.forwards("X-Forwarded-Proto: https"));
    CHECK_FALSE(sent.forwards("X-Forwarded-Proto: http"));
    sent.forwarding.client_trusted = true;
    CHECK(sent.forwards("X-Forwarded-Proto: http"));
  }

  TEST_CASE("only a trusted client may say whom it stands for") {
    Sent sent(get, host +
                       "X-Forwarded-Proto: https\r\nX-Forwarded-Host: outer\r\n"
                       "X-Real-IP: 9.9.9.9\r\nX-Request-Id: theirs\r\n");
    CHECK(sent.forwards("X-Forwarded-Proto: http"));
    CHECK(sent.forwards("X-Forwarded-Host: h.example"));
    CHECK(sent.forwards("X-Real-IP: 192.0.2.7"));
    CHECK(sent.forwarded().find("https") == std::string::npos);
    CHECK(sent.forwarded().find("9.9.9.9") == std::string::npos);
    sent.forwarding.client_trusted = true;
    CHECK(sent.forwards("X-Forwarded-Proto: https"));
    CHECK(sent.forwards("X-Forwarded-Host: outer"));
    CHECK(sent.forwards("X-Real-IP: 9.9.9.9"));
    CHECK_FALSE(sent.forwards("X-Forwarded-Proto: http"));
    CHECK(sent.forwards("X-Request-Id: r-1"));
    CHECK(sent.forwarded().find("theirs") == std::string::npos);
  }

  TEST_CASE("a reply of MCP has to be readable, any other may be compressed") {
    Sent sent(get, host + "Accept-Encoding: gzip\r\n");
    CHECK(sent.forwards("Accept-Encoding: gzip"));
    sent.forwarding.is_mcp = true;
    CHECK_FALSE(sent.forwards_field("Accept-Encoding"));
  }
}

TEST_SUITE("proxy/forward_head replies") {
  TEST_CASE("the session is spelled as the client knows it, wherever that differs") {
    Replied replied("HTTP/1.1 200 OK", dated + "Mcp-Session-Id: inside\r\nX-Own: inside\r\n");
    CHECK(replied.forwards("Mcp-Session-Id: inside"));
    replied.forwarding.session = "outside";
    CHECK(replied.forwards("Mcp-Session-Id: outside"));
    CHECK(replied.forwards("X-Own: inside"));
  }

  TEST_CASE("a reply is framed for the client that gets it") {
    const Sent newer(get, host);
    const Sent old("GET / HTTP/1.0");
    const Replied length("HTTP/1.1 200 OK", "Content-Length: 3\r\n");
    const Replied chunked("HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n");
    const Replied closing("HTTP/1.0 200 OK");
    const Replied none("HTTP/1.1 204 No Content");
    CHECK(client_framing(length.head, newer.head) == ClientFraming::length);
    CHECK(client_framing(length.head, old.head) == ClientFraming::length);
    CHECK(client_framing(chunked.head, newer.head) == ClientFraming::chunked);
    CHECK(client_framing(chunked.head, old.head) == ClientFraming::until_close);
    CHECK(client_framing(closing.head, newer.head) == ClientFraming::chunked);
    CHECK(client_framing(closing.head, old.head) == ClientFraming::until_close);
    CHECK(client_framing(none.head, newer.head) == ClientFraming::none);
  }

  TEST_CASE("a reply keeps its own fields and gets the request id") {
    Replied reply("HTTP/1.0 201 Fine by me", dated +
                                                 "X-Own: 1\r\nX-Request-Id: theirs\r\n"
                                                 "Content-Length: 3\r\nKeep-Alive: 5\r\n"
                                                 "Connection: X-Mine\r\nX-Mine: 1\r\n");
    reply.forwarding.framing = ClientFraming::length;
    CHECK(reply.forwarded() == "HTTP/1.1 201 Fine by me\r\n" + dated +
                                   "X-Own: 1\r\nX-Request-Id: r-1\r\nContent-Length: 3\r\n\r\n");
  }

  TEST_CASE("a reply without a date gets one") {
    CHECK(Replied("HTTP/1.1 200 OK").forwards_field("Date"));
  }

  TEST_CASE("framing is announced as the client gets it") {
    Replied closing("HTTP/1.1 200 OK");
    closing.forwarding.framing = ClientFraming::chunked;
    CHECK(closing.forwards("Transfer-Encoding: chunked"));
    closing.forwarding.framing = ClientFraming::until_close;
    closing.forwarding.close = true;
    closing.forwarding.client_minor_version = 0;
    CHECK_FALSE(closing.forwards_field("Transfer-Encoding"));
    CHECK_FALSE(closing.forwards_field("Content-Length"));
    CHECK(closing.forwards("Connection: close"));
  }

  TEST_CASE("the length that HEAD or 304 announces is kept, 204 has none") {
    CHECK(Replied("HTTP/1.1 200 OK", "Content-Length: 7\r\n", http::Method::head)
              .forwards("Content-Length: 7"));
    CHECK(Replied("HTTP/1.1 304 x", "Content-Length: 7\r\n").forwards("Content-Length: 7"));
    CHECK_FALSE(
        Replied("HTTP/1.1 204 x", "Content-Length: 0\r\n").forwards_field("Content-Length"));
  }

  TEST_CASE("Connection says what the client's version does not imply") {
    Replied reply("HTTP/1.1 200 OK", "Content-Length: 0\r\n");
    CHECK_FALSE(reply.forwards_field("Connection"));
    reply.forwarding.client_minor_version = 0;
    CHECK(reply.forwards("Connection: keep-alive"));
    reply.forwarding.close = true;
    CHECK(reply.forwards("Connection: close"));
  }

  TEST_CASE("a cookie of our own stands beside the backend's") {
    Replied reply("HTTP/1.1 200 OK", "Set-Cookie: a=b\r\n");
    reply.forwarding.set_cookie = "pin=x; Path=/";
    CHECK(reply.forwards("Set-Cookie: a=b"));
    CHECK(reply.forwards("Set-Cookie: pin=x; Path=/"));
  }

  TEST_CASE("an interim reply has its fields and nothing of ours") {
    const Replied hints("HTTP/1.1 103 Early Hints", "Link: </a>\r\nConnection: X-M\r\nX-M: 1\r\n");
    std::string out;
    append_interim_head(out, hints.head);
    CHECK(out == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  }
}

TEST_SUITE("proxy/forward_head fields") {
  TEST_CASE("the client is the last address that no trusted proxy has") {
    net::Networks trusted;
    REQUIRE(trusted.add("10.0.0.0/8"));
    REQUIRE(trusted.add("fd00::/8"));
    const auto client = [&](const std::string& fields) {
      const Sent sent(get, host + fields);
      return std::string(forwarded_client(sent.head.fields, trusted, "10.0.0.1"));
    };
    CHECK(client("") == "10.0.0.1");
    CHECK(client("X-Forwarded-For: 1.1.1.1\r\n") == "1.1.1.1");
    CHECK(client("X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.1.1.1\r\n") == "1.1.1.1");
    CHECK(client("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n") == "1.1.1.1");
    CHECK(client("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: fd00::1\r\n") == "1.1.1.1");
    CHECK(client("X-Forwarded-For: 10.9.9.9, 10.1.1.1\r\n") == "10.0.0.1");
    CHECK(client("X-Forwarded-For: \r\n") == "10.0.0.1");
  }

  TEST_CASE("a cookie is found by its whole name") {
    const Sent sent(get, host + "Cookie: a=1; pin=x=y ;spin=2\r\nCookie: late=3; a=4; bare\r\n");
    CHECK(cookie_value(sent.head.fields, "a") == "1");
    CHECK(cookie_value(sent.head.fields, "pin") == "x=y");
    CHECK(cookie_value(sent.head.fields, "spin") == "2");
    CHECK(cookie_value(sent.head.fields, "late") == "3");
    CHECK(cookie_value(sent.head.fields, "bare").empty());
    CHECK(cookie_value(sent.head.fields, "in").empty());
    CHECK(cookie_value(sent.head.fields, "PIN").empty());
  }
}
