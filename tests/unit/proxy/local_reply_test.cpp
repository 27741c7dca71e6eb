#include "proxy/local_reply.hpp"

#include <set>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

struct Row {
  Reason reason;
  const char* name;
  int status;
  int code;
  bool retry_after;
};

constexpr Row rows[] = {
    {Reason::none, "none", 500, -32603, false},
    {Reason::no_route, "no_route", 404, -31016, false},
    {Reason::session_unknown, "session_unknown", 404, -32001, false},
    {Reason::no_backend, "no_backend", 503, -31010, true},
    {Reason::owner_unavailable, "owner_unavailable", 503, -31011, true},
    {Reason::backend_lost, "backend_lost", 502, -31012, false},
    {Reason::backend_timeout, "backend_timeout", 504, -31013, false},
    {Reason::overloaded, "overloaded", 503, -31014, true},
    {Reason::bad_request, "bad_request", 400, -32600, false},
    {Reason::request_timeout, "request_timeout", 408, -32600, false},
    {Reason::head_too_large, "head_too_large", 431, -32600, false},
    {Reason::body_too_large, "body_too_large", 413, -32600, false},
    {Reason::header_mismatch, "header_mismatch", 400, -32020, false},
    {Reason::session_conflict, "session_conflict", 502, -31017, false},
};

http::RequestHead request(http::Method method, int minor_version = 1) {
  http::RequestHead head;
  head.method = method;
  head.minor_version = minor_version;
  return head;
}

struct Rendered {
  Rendered(const LocalReply& reply, const http::RequestHead& to, std::string_view id_json = "",
           std::string_view request_id = "", bool close = false)
      : bytes(render(reply, to, id_json, request_id, close)),
        head(bytes.substr(0, bytes.find("\r\n\r\n") + 2)),
        body(bytes.substr(head.size() + 2)) {}

  bool has(const std::string& line) const {
    return head.find("\r\n" + line + "\r\n") != std::string::npos;
  }
  bool has_field(const std::string& name) const {
    return head.find("\r\n" + name + ": ") != std::string::npos;
  }
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }

  std::string bytes;
  std::string head;
  std::string body;
};

}  // namespace

TEST_SUITE("proxy/local_reply") {
  TEST_CASE("each reason has its status, its code and its Retry-After") {
    for (const Row& row : rows) {
      CAPTURE(row.name);
      CHECK(to_string(row.reason) == row.name);
      CHECK(status_of(row.reason) == row.status);
      const Rendered reply({row.reason, "", {}}, request(http::Method::post), "7");
      CHECK(reply.head.starts_with("HTTP/1.1 " + std::to_string(row.status) + " "));
      CHECK(reply.has(std::string("X-Mcplb-Reason: ") + row.name));
      CHECK(reply.has("Retry-After: 1") == row.retry_after);
      CHECK(reply.has_field("Retry-After") == row.retry_after);
      CHECK(reply.has("Content-Type: application/json"));
      CHECK(reply.has("Content-Length: " + std::to_string(reply.body.size())));
      CHECK(reply.has_field("Date"));
      const nlohmann::json json = reply.json();
      REQUIRE(json.is_object());
      CHECK(json["jsonrpc"] == "2.0");
      CHECK(json["id"] == 7);
      CHECK(json["error"]["code"] == row.code);
      CHECK(json["error"]["data"]["reason"] == row.name);
      CHECK_FALSE(json["error"]["message"].get<std::string>().empty());
    }
  }

  TEST_CASE("the id is spliced in as it stood in the request, null when there is none") {
    const auto id_in = [](std::string_view id_json) {
      return Rendered({Reason::no_backend, "", {}}, request(http::Method::post), id_json).body;
    };
    CHECK(id_in("7").starts_with(R"({"jsonrpc":"2.0","id":7,"error":{)"));
    CHECK(id_in(R"("a\"b")").starts_with(R"({"jsonrpc":"2.0","id":"a\"b","error":{)"));
    CHECK(id_in("1.50e0").starts_with(R"({"jsonrpc":"2.0","id":1.50e0,"error":{)"));
    CHECK(id_in("").starts_with(R"({"jsonrpc":"2.0","id":null,"error":{)"));
  }

  TEST_CASE("a more exact text replaces the table's, and the outcome is told when it is known") {
    const auto error_of = [](const LocalReply& reply) {
      return Rendered(reply, request(http::Method::post)).json()["error"];
    };
    const auto plain = error_of({Reason::backend_lost, "", Outcome::none});
    CHECK(plain["message"] == "the connection to the backend broke");
    CHECK_FALSE(plain["data"].contains("outcome"));
    const auto unknown = error_of({Reason::backend_lost, "say \"more\"", Outcome::unknown});
    CHECK(unknown["message"] == "say \"more\"");
    CHECK(unknown["data"]["outcome"] == "unknown");
    CHECK(error_of({Reason::no_backend, "", Outcome::not_sent})["data"]["outcome"] == "not_sent");
  }

  TEST_CASE("whatever is not POST is answered in plain text") {
    for (const auto method : {http::Method::get, http::Method::del, http::Method::other}) {
      const Rendered reply({Reason::no_route, "no such pool", {}}, request(method), "7");
      CHECK(reply.has("Content-Type: text/plain"));
      CHECK(reply.body == "no_route: no such pool\n");
    }
  }

  TEST_CASE("HEAD gets the length but no body") {
    const Rendered reply({Reason::no_route, "abc", {}}, request(http::Method::head));
    CHECK(reply.has("Content-Length: 14"));
    CHECK(reply.bytes.ends_with("\r\n\r\n"));
    CHECK(reply.body.empty());
  }

  TEST_CASE("Connection says what the version does not imply") {
    const LocalReply reply{Reason::overloaded, "", {}};
    const auto said = [&](int minor_version, bool close) {
      const Rendered made(reply, request(http::Method::get, minor_version), "", "", close);
      if (made.has("Connection: close")) return std::string("close");
      return std::string(made.has("Connection: keep-alive") ? "keep-alive" : "");
    };
    CHECK(said(1, false).empty());
    CHECK(said(1, true) == "close");
    CHECK(said(0, false) == "keep-alive");
    CHECK(said(0, true) == "close");
  }

  TEST_CASE("the request id is told when there is one") {
    const LocalReply reply{Reason::bad_request, "", {}};
    CHECK(Rendered(reply, request(http::Method::post), "", "r-1").has("X-Request-Id: r-1"));
    CHECK_FALSE(Rendered(reply, request(http::Method::post)).has_field("X-Request-Id"));
  }

  TEST_CASE("an error while reading becomes the reason that names it") {
    const auto reason_of = [](Error::Kind kind) {
      return reply_to_bad_request({kind, Error::Side::client, 0, "why"}).reason;
    };
    CHECK(reason_of(Error::Kind::head_too_large) == Reason::head_too_large);
    CHECK(reason_of(Error::Kind::body_too_large) == Reason::body_too_large);
    CHECK(reason_of(Error::Kind::timeout) == Reason::request_timeout);
    CHECK(reason_of(Error::Kind::malformed) == Reason::bad_request);
    const Error malformed{Error::Kind::malformed, Error::Side::client, 0, "why"};
    CHECK(std::string(reply_to_bad_request(malformed).what) == "why");
  }

  TEST_CASE("codes of our own stay outside of what JSON-RPC reserves, one for each reason") {
    std::set<int> own;
    for (const Row& row : rows) {
      const bool reserved = row.code >= -32768 && row.code <= -32000;
      if (!reserved) CHECK(own.insert(row.code).second);
    }
    CHECK(own.size() == 7);
  }
}
