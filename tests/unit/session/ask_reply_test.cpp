#include "session/ask_reply.hpp"

#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

using namespace mcplb;
using namespace mcplb::session;
using Outcome = Answer::Outcome;

namespace {

const std::string id = "0123456789abcdef0123456789abcdef";
const std::string result = R"({"jsonrpc":"2.0","id":")" + id + R"(","result":{}})";

std::string error(int code, const std::string& message, const std::string& error_id = id) {
  const std::string id_json = error_id.empty() ? "null" : '"' + error_id + '"';
  return R"({"jsonrpc":"2.0","id":)" + id_json + R"(,"error":{"code":)" + std::to_string(code) +
         R"(,"message":")" + message + R"("}})";
}

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::size_t at_once = 1 << 20;
  bool whole = true;
  std::string www_authenticate;
};

struct Judged {
  explicit Judged(const Reply& reply) {
    wire::CallHead head;
    head.status = reply.status;
    head.content_type = reply.content_type;
    head.event_stream = reply.content_type == "text/event-stream";
    head.www_authenticate = reply.www_authenticate;
    bool goes_on = judge.on_head(head);
    for (std::size_t i = 0; goes_on && i < reply.body.size(); i += reply.at_once) {
      goes_on = judge.on_content(std::string_view(reply.body).substr(i, reply.at_once));
    }
    stopped = !goes_on;
    verdict = judge.verdict(reply.whole || stopped);
    refusal = judge.take_refusal(reply.whole || stopped);
  }

  ReplyJudge judge{id};
  bool stopped = false;
  Verdict verdict = Verdict::silent;
  Refusal refusal;
};

Verdict judged(int status, const std::string& body,
               const std::string& content_type = "application/json") {
  Reply reply;
  reply.status = status;
  reply.body = body;
  reply.content_type = content_type;
  return Judged(reply).verdict;
}

Verdict streamed(const std::string& body, std::size_t at_once = 1 << 20) {
  Reply reply;
  reply.content_type = "text/event-stream";
  reply.body = body;
  reply.at_once = at_once;
  return Judged(reply).verdict;
}

}  // namespace

TEST_SUITE("session/ask_reply") {
  TEST_CASE("a response with our id claims the session") {
    CHECK(judged(200, result) == Verdict::claims);
    CHECK(judged(200, " \r\n" + result + "\n", "application/json; charset=utf-8") ==
          Verdict::claims);
    CHECK(judged(200, "[" + result + "]") == Verdict::claims);
  }

  TEST_CASE("an error of the call's own claims the session, one of a transport shows nothing") {
    CHECK(judged(200, error(-32601, "Method not found")) == Verdict::claims);
    CHECK(judged(200, error(-32602, "Invalid request parameters")) == Verdict::claims);
    CHECK(judged(200, error(7, "not now")) == Verdict::claims);
    CHECK(judged(200, error(-32603, "Internal error")) == Verdict::silent);
    CHECK(judged(200, error(-32600, "Invalid Request")) == Verdict::silent);
    CHECK(judged(200, error(-32700, "Parse error")) == Verdict::silent);
    CHECK(judged(200, error(-32000, "Server error")) == Verdict::silent);
    CHECK(judged(200, error(-32601, "Method not found", "")) == Verdict::silent);
  }

  TEST_CASE("an error that says so denies the session also with status 200") {
    CHECK(judged(200, error(-32001, "Session not found")) == Verdict::unknown);
    CHECK(judged(200, error(-32000, "Bad Request: Server not initialized", "")) ==
          Verdict::unknown);
    CHECK(streamed("data: " + error(-32000, "Bad Request: No valid session ID provided", "") +
                   "\n\n") == Verdict::unknown);
  }

  TEST_CASE("404 and 410 deny the session by their head alone") {
    for (const int status : {404, 410}) {
      Reply reply;
      reply.status = status;
      reply.body = result;
      Judged judged_reply(reply);
      CHECK(judged_reply.verdict == Verdict::unknown);
      CHECK(judged_reply.stopped);
    }
  }

  TEST_CASE("other client errors deny it only when they say so") {
    CHECK(judged(400, error(-32000, "Bad Request: No valid session ID provided", "")) ==
          Verdict::unknown);
    CHECK(judged(422, "Invalid session id", "text/plain") == Verdict::unknown);
    CHECK(judged(400, error(-32000, "Unsupported protocol version", "")) == Verdict::silent);
    CHECK(judged(400, result) == Verdict::silent);
    CHECK(judged(405, "") == Verdict::silent);
    CHECK(judged(429, "Session not found") == Verdict::silent);
  }

  TEST_CASE("what decides nothing leaves the question open") {
    CHECK(judged(500, error(-32001, "Session not found")) == Verdict::silent);
    CHECK(judged(503, "") == Verdict::silent);
    CHECK(judged(302, "") == Verdict::silent);
    CHECK(judged(202, "") == Verdict::silent);
    CHECK(judged(204, "") == Verdict::silent);
    CHECK(judged(200, "<html>hello</html>", "text/html") == Verdict::silent);
    CHECK(judged(200, "{") == Verdict::silent);
    CHECK(judged(200, R"({"jsonrpc":"2.0","id":"other","result":{}})") == Verdict::silent);
    CHECK(judged(200, R"({"jsonrpc":"2.0","id":1,"result":{}})") == Verdict::silent);
    CHECK(judged(200, R"({"jsonrpc":"2.0","id":")" + id + R"(","method":"ping"})") ==
          Verdict::silent);
    CHECK(judged(200, R"({"id":")" + id + R"(","result":{}})") == Verdict::silent);
    CHECK(judged(200, R"({"jsonrpc":"2.0","id":"x","id":")" + id + R"(","result":{}})") ==
          Verdict::silent);
    CHECK(judged(200, R"({"jsonrpc":"2.0","id":")" + id +
                          R"(","result":{},"error":{"code":1,"message":""}})") == Verdict::silent);
    CHECK(judged(200, "[]") == Verdict::silent);
  }

  TEST_CASE("a JSON reply that breaks off decides nothing") {
    Reply reply;
    reply.body = result;
    reply.whole = false;
    CHECK(Judged(reply).verdict == Verdict::silent);
  }

  TEST_CASE("finds the answer in an event stream, cut anywhere, behind what else comes before it") {
    const std::string before = ": keepalive\n\nid: s-0\nretry: 500\ndata:\n\n"
                               "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":"
                               "\"notifications/message\"}\n\n"
                               "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n"
                               "data: not json\n\n";
    const std::string streams[] = {
        before + "event: message\ndata: " + result + "\n\n",
        "\xef\xbb\xbf" "data:" + result + "\r\n\r\n",
        "data: " + result + "\r\r",
        "data: {\"jsonrpc\":\"2.0\",\ndata:\"id\":\"" + id + "\",\r\ndata: \"result\":{}}\n\n",
    };
    for (const std::string& stream : streams) {
      CAPTURE(stream);
      CHECK(streamed(stream) == Verdict::claims);
      CHECK(streamed(stream, 1) == Verdict::claims);
      for (std::size_t cut = 1; cut < stream.size(); ++cut) {
        Reply reply;
        reply.content_type = "text/event-stream";
        reply.body = stream;
        reply.at_once = cut;
        Judged cut_reply(reply);
        REQUIRE(cut_reply.verdict == Verdict::claims);
        REQUIRE(cut_reply.stopped);
      }
    }
  }

  TEST_CASE("a stream that breaks behind the answer has answered, one that ends early has not") {
    Reply reply;
    reply.content_type = "text/event-stream";
    reply.body = "data: " + result + "\n\n";
    reply.whole = false;
    CHECK(Judged(reply).verdict == Verdict::claims);
    CHECK(streamed("data: " + result + "\n") == Verdict::silent);
    CHECK(streamed("") == Verdict::silent);
  }

  TEST_CASE("reads no more of a reply than the limit, and counts it") {
    const std::string filler(limits::ask_reply_bytes_max, ' ');
    const std::uint64_t hits = limit_hits(Limit::ask_reply_bytes);
    Reply json;
    json.body = filler + result;
    json.at_once = 1000;
    Judged huge(json);
    CHECK(huge.verdict == Verdict::silent);
    CHECK(huge.stopped);
    std::string comments;
    while (comments.size() <= limits::ask_reply_bytes_max) comments += ": keepalive\n\n";
    CHECK(streamed(comments + "data: " + result + "\n\n", 1000) == Verdict::silent);
    CHECK(streamed(std::string(limits::ask_reply_bytes_max, 'x') + result, 1000) ==
          Verdict::silent);
    CHECK(limit_hits(Limit::ask_reply_bytes) == hits + 3);
    CHECK(judged(200, filler.substr(result.size()) + result) == Verdict::claims);
  }

  TEST_CASE("a refusal is kept with what the client needs to do better") {
    for (const int status : {401, 403}) {
      Reply reply;
      reply.status = status;
      reply.content_type = "text/plain";
      reply.body = "Session expired: log in again";
      reply.www_authenticate = "Bearer realm=\"x\"";
      Judged refused(reply);
      CHECK(refused.verdict == Verdict::forbidden);
      CHECK(refused.refusal.status == status);
      CHECK(refused.refusal.www_authenticate == reply.www_authenticate);
      CHECK(refused.refusal.content_type == reply.content_type);
      CHECK(refused.refusal.body == reply.body);
    }
  }

  TEST_CASE("a refusal whose body is too large or breaks off is kept without it") {
    Reply reply;
    reply.status = 401;
    reply.body = std::string(limits::ask_reply_bytes_max + 1, 'x');
    Judged huge(reply);
    CHECK(huge.verdict == Verdict::forbidden);
    CHECK(huge.refusal.body.empty());
    reply.body = "x";
    reply.whole = false;
    Judged broken(reply);
    CHECK(broken.verdict == Verdict::forbidden);
    CHECK(broken.refusal.body.empty());
  }

  TEST_CASE("no head at all is silence") {
    ReplyJudge judge(id);
    CHECK(judge.verdict(false) == Verdict::silent);
  }

  // One letter a backend: c claims, u unknown, g gone, f forbidden, s silent, - not noted.
  TEST_CASE("all replies together name the owner, or say why there is none") {
    struct Row {
      const char* verdicts;
      Outcome outcome;
    };
    const Row rows[] = {
        {"c", Outcome::owner},       {"uuc", Outcome::owner},      {"scs", Outcome::owner},
        {"cf", Outcome::owner},      {"cg-", Outcome::owner},      {"cc", Outcome::shared},
        {"ccu", Outcome::shared},    {"csc", Outcome::shared},     {"c-fc", Outcome::shared},
        {"u", Outcome::unknown},     {"uuu", Outcome::unknown},    {"ug", Outcome::unknown},
        {"g", Outcome::unknown},     {"f", Outcome::forbidden},    {"fuf", Outcome::forbidden},
        {"gf", Outcome::forbidden},  {"s", Outcome::unavailable},  {"us", Outcome::unavailable},
        {"fs", Outcome::unavailable}, {"u-", Outcome::unavailable}, {"f-", Outcome::unavailable},
        {"-", Outcome::unavailable}, {"", Outcome::unavailable},
    };
    for (const Row& row : rows) {
      const std::string_view verdicts = row.verdicts;
      CAPTURE(verdicts);
      Tally tally(verdicts.size());
      BackendId claimant = BackendId::none;
      for (std::size_t i = 0; i < verdicts.size(); ++i) {
        const BackendId backend{static_cast<std::uint32_t>(i + 1)};
        switch (verdicts[i]) {
          case 'c': claimant = backend; tally.add(backend, Verdict::claims); break;
          case 'u': tally.add(backend, Verdict::unknown); break;
          case 'g': tally.add(backend, Verdict::gone); break;
          case 's': tally.add(backend, Verdict::silent); break;
          case 'f':
            tally.add_refusal({401, "", "", "no"});
            tally.add(backend, Verdict::forbidden);
            break;
          default: break;
        }
      }
      const Answer answer = std::move(tally).answer();
      CHECK(answer.outcome == row.outcome);
      CHECK(answer.owner == (row.outcome == Outcome::owner ? claimant : BackendId::none));
      CHECK(answer.refusal.status == (row.outcome == Outcome::forbidden ? 401 : 0));
    }
  }

  TEST_CASE("of several refusals one that says what it wants is passed on") {
    Tally tally(3);
    for (const char* wants : {"", "Bearer", "Basic"}) {
      tally.add_refusal({401, wants, "", ""});
      tally.add(BackendId{1}, Verdict::forbidden);
    }
    CHECK(std::move(tally).answer().refusal.www_authenticate == "Bearer");
  }

  TEST_CASE("is decided by two claims, or when everybody has been heard") {
    Tally tally(3);
    CHECK_FALSE(tally.decided());
    tally.add(BackendId{1}, Verdict::claims);
    CHECK_FALSE(tally.decided());
    tally.add(BackendId{2}, Verdict::claims);
    CHECK(tally.decided());
    Tally heard(2);
    heard.add(BackendId{1}, Verdict::silent);
    CHECK_FALSE(heard.decided());
    heard.add(BackendId{2}, Verdict::unknown);
    CHECK(heard.decided());
  }
}
