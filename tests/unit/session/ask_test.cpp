#include "mcplb/session/ask.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

#include "support/backends.hpp"
#include "support/fake_clock.hpp"
#include "support/manual_defer_queue.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

using namespace mcplb;
using namespace mcplb::session;
using Outcome = Answer::Outcome;

namespace {

// Doors to backends that a test plays itself.
class Doors final : public Asker::Connector {
 public:
  explicit Doors(test::FakeClock& clock) : clock_(clock) {}

  Task<Result<cluster::Lease>> connect(cluster::Backend& backend, Deadline deadline) override {
    ++connecting;
    const auto error = errors.find(backend.name());
    if (error != errors.end()) co_return error->second;
    if (hanging.count(backend.name()) > 0) {
      co_await clock_.timers().sleep(deadline);
      co_return Error{Error::Kind::timeout, Error::Side::backend, 0, "timeout"};
    }
    auto pipe = std::make_unique<test::Pipe>(clock_.timers(), buffers_);
    auto connection = std::make_unique<cluster::Connection>(std::move(pipe->near), http_);
    pipes[backend.name()] = std::move(pipe);
    auto& home = homes_[backend.name()];
    home = std::make_unique<cluster::ConnectionPool>(clock_.timers(), backend, keepalive_);
    co_return cluster::Lease(*home, std::move(connection));
  }

  std::map<std::string, Error> errors;
  std::set<std::string> hanging;
  std::size_t connecting = 0;

 private:
  test::FakeClock& clock_;
  BufferPool buffers_{limits::buffer_block_bytes};

 public:
  std::map<std::string, std::unique_ptr<test::Pipe>> pipes;

 private:
  const http::Settings http_;
  const cluster::KeepaliveSettings keepalive_;
  std::map<std::string, std::unique_ptr<cluster::ConnectionPool>> homes_;
};

const Error refused{Error::Kind::refused, Error::Side::backend, 0, "refused"};

struct Asking {
  explicit Asking(std::size_t count) : backends(std::vector<std::uint32_t>(count, 1)) {
    question.session = "s-1";
    question.target = "/mcp?x=1";
    question.host = "mcp.example";
  }

  void begin() {
    asked.emplace(test::run(asker.ask(doors, backends.all, question)));
    pump();
  }
  // Runs until nothing moves.
  void pump() {
    do {
      for (auto& [name, pipe] : doors.pipes) pipe->pump();
      turns.run();
    } while (!turns.empty() || std::any_of(doors.pipes.begin(), doors.pipes.end(),
                                           [](auto& door) { return door.second->pump_once(); }));
  }
  std::string request(const std::string& backend) {
    std::string& seen = requests[backend];
    seen += doors.pipes.at(backend)->far->take();
    return seen;
  }
  std::string id(const std::string& backend) {
    const std::string text = request(backend);
    const std::size_t begin = text.find("\"id\":\"") + 6;
    return text.substr(begin, text.find('"', begin) - begin);
  }
  void send(const std::string& backend, const std::string& bytes) {
    doors.pipes.at(backend)->far->post(bytes);
    pump();
  }
  void reply(const std::string& backend, const std::string& status, const std::string& body = "") {
    send(backend, "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " +
                      std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  std::string result(const std::string& backend) {
    return R"({"jsonrpc":"2.0","id":")" + id(backend) + R"(","result":{}})";
  }
  void claim(const std::string& backend) { reply(backend, "200 OK", result(backend)); }
  void pass(milliseconds time) {
    clock.advance(time);
    pump();
  }
  Answer& answer() {
    REQUIRE(asked->done());
    return asked->result();
  }
  bool closed(const std::string& backend) {
    return doors.pipes.at(backend)->far->peer_has_ended();
  }

  test::FakeClock clock;
  test::ManualDeferQueue turns;
  test::Backends backends;
  Doors doors{clock};
  Asker asker{clock.timers(), turns};
  Question question;
  std::map<std::string, std::string> requests;
  std::optional<test::Running<Answer>> asked;
};

bool has_line(const std::string& request, const std::string& line) {
  return request.find("\r\n" + line + "\r\n") != std::string::npos;
}

}  // namespace

TEST_SUITE("session/ask") {
  TEST_CASE("asks every backend at once, drained and unhealthy ones too") {
    Asking a(3);
    a.backends[1].set_healthy(false);
    a.backends[2].note_refused(a.clock.now());
    a.begin();
    CHECK(a.doors.pipes.size() == 3);
    for (const char* name : {"a", "b", "c"}) {
      CHECK(a.request(name).starts_with("POST /mcp?x=1 HTTP/1.1\r\nHost: mcp.example\r\n"));
    }
  }

  TEST_CASE("the ping carries what was given, and nothing in place of what was not") {
    Asking bare(1);
    bare.question.host.clear();
    bare.begin();
    const std::string without = bare.request("a");
    CHECK(has_line(without, "Accept: application/json, text/event-stream"));
    CHECK(has_line(without, "Content-Type: application/json"));
    CHECK(has_line(without, "Mcp-Session-Id: s-1"));
    CHECK(has_line(without, "Host: 127.0.0.1"));
    CHECK(without.find("Authorization") == std::string::npos);
    CHECK(without.find("MCP-Protocol-Version") == std::string::npos);
    const std::size_t body = without.find("\r\n\r\n") + 4;
    CHECK(has_line(without, "Content-Length: " + std::to_string(without.size() - body)));
    CHECK(without.substr(body) ==
          R"({"jsonrpc":"2.0","id":")" + bare.id("a") + R"(","method":"ping"})");

    Asking full(1);
    full.question.authorization = "Bearer t";
    full.question.protocol_version = "2025-06-18";
    full.begin();
    CHECK(has_line(full.request("a"), "Authorization: Bearer t"));
    CHECK(has_line(full.request("a"), "MCP-Protocol-Version: 2025-06-18"));
  }

  TEST_CASE("the id is 128 bits that differ from asking to asking") {
    std::set<std::string> ids;
    for (int i = 0; i < 20; ++i) {
      Asking a(1);
      a.begin();
      const std::string id = a.id("a");
      CHECK(id.size() == 32);
      CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
      ids.insert(id);
    }
    CHECK(ids.size() == 20);
  }

  TEST_CASE("the one that claims is the owner, and the answer does not wait when all have spoken") {
    Asking a(3);
    a.begin();
    a.reply("a", "404 Not Found");
    a.claim("c");
    CHECK_FALSE(a.asked->done());
    a.reply("b", "404 Not Found");
    CHECK(a.answer().outcome == Outcome::owner);
    CHECK(a.answer().owner == a.backends[2].id());
    CHECK(a.asker.asking() == 0);
  }

  TEST_CASE("a claim gives the silent a short grace and then closes their connections") {
    Asking a(3);
    a.doors.hanging = {"c"};
    a.begin();
    a.claim("a");
    CHECK_FALSE(a.asked->done());
    a.pass(limits::ask_grace + milliseconds(32));
    CHECK(a.answer().outcome == Outcome::owner);
    CHECK(a.answer().owner == a.backends[0].id());
    CHECK(a.closed("a"));
    CHECK(a.closed("b"));
  }

  TEST_CASE("a second claim within the grace means that sessions are shared") {
    Asking a(3);
    a.begin();
    a.claim("a");
    a.pass(limits::ask_grace / 2);
    CHECK_FALSE(a.asked->done());
    a.claim("b");
    CHECK(a.answer().outcome == Outcome::shared);
    CHECK(a.answer().owner == BackendId::none);
  }

  TEST_CASE("the grace runs from the first claim, whatever else arrives") {
    Asking a(3);
    a.begin();
    a.claim("a");
    a.pass(limits::ask_grace / 2);
    a.reply("b", "404 Not Found");
    a.pass(limits::ask_grace / 2 + milliseconds(32));
    CHECK(a.answer().outcome == Outcome::owner);
  }

  TEST_CASE("a session that all deny is unknown, and a process that is gone denies it") {
    Asking a(3);
    a.doors.errors.emplace("b", refused);
    a.begin();
    a.reply("a", "404 Not Found");
    a.reply("c", "400 Bad Request",
            R"({"jsonrpc":"2.0","id":null,"error":{"code":-32000,)"
            R"("message":"Bad Request: No valid session ID provided"}})");
    CHECK(a.answer().outcome == Outcome::unknown);
  }

  TEST_CASE("nobody there at all is answered at once") {
    Asking a(2);
    a.doors.errors.emplace("a", refused);
    a.doors.errors.emplace("b", refused);
    a.begin();
    CHECK(a.answer().outcome == Outcome::unknown);
  }

  TEST_CASE("our own trouble with a connection says nothing about the backend") {
    for (const Error& error :
         {Error{Error::Kind::refused, Error::Side::self, 0, "x"},
          Error{Error::Kind::failed, Error::Side::self, 24, "x"},
          Error{Error::Kind::unreachable, Error::Side::backend, 0, "x"},
          Error{Error::Kind::timeout, Error::Side::backend, 0, "x"}}) {
      Asking a(1);
      a.doors.errors.emplace("a", error);
      a.begin();
      CHECK(a.answer().outcome == Outcome::unavailable);
    }
  }

  TEST_CASE("one that is silent until the deadline may still hold the session") {
    Asking a(2);
    a.begin();
    a.reply("a", "404 Not Found");
    a.pass(limits::ask_time - milliseconds(50));
    CHECK_FALSE(a.asked->done());
    a.pass(milliseconds(150));
    CHECK(a.answer().outcome == Outcome::unavailable);
    CHECK(a.closed("b"));
  }

  TEST_CASE("a connection that hangs ends with the deadline too") {
    Asking a(1);
    a.doors.hanging = {"a"};
    a.begin();
    a.pass(limits::ask_time + milliseconds(100));
    CHECK(a.answer().outcome == Outcome::unavailable);
  }

  TEST_CASE("a refusal is handed out when nothing better is known") {
    Asking a(2);
    a.begin();
    a.send("a",
           "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nWWW-Authenticate: Basic\r\n"
           "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nno");
    a.reply("b", "404 Not Found");
    CHECK(a.answer().outcome == Outcome::forbidden);
    CHECK(a.answer().refusal.status == 401);
    CHECK(a.answer().refusal.www_authenticate == "Bearer, Basic");
    CHECK(a.answer().refusal.content_type == "text/plain");
    CHECK(a.answer().refusal.body == "no");
  }

  TEST_CASE("a refusal whose body never ends is a refusal at the deadline") {
    Asking a(1);
    a.begin();
    a.send("a", "HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\n\r\nno");
    a.pass(limits::ask_time + milliseconds(100));
    CHECK(a.answer().outcome == Outcome::forbidden);
    CHECK(a.answer().refusal.status == 403);
  }

  TEST_CASE("an event stream that goes on behind the answer is left") {
    Asking a(1);
    a.begin();
    a.send("a", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n");
    CHECK_FALSE(a.asked->done());
    a.send("a", "event: message\ndata: " + a.result("a") + "\n\n");
    CHECK(a.answer().outcome == Outcome::owner);
    CHECK(a.closed("a"));
  }

  TEST_CASE("interim replies come before the answer, without end they are none") {
    Asking a(1);
    a.begin();
    a.send("a", "HTTP/1.1 103 Early Hints\r\n\r\n");
    a.claim("a");
    CHECK(a.answer().outcome == Outcome::owner);
    Asking endless(1);
    endless.begin();
    std::string interim;
    for (int i = 0; i <= limits::interim_replies_max + 1; ++i)
      interim += "HTTP/1.1 102 Processing\r\n\r\n";
    endless.send("a", interim);
    CHECK(endless.answer().outcome == Outcome::unavailable);
  }

  TEST_CASE("hostile replies leave the question open") {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const std::string huge(limits::ask_reply_bytes_max + 1, ' ');
    for (const std::string& bytes :
         {std::string("SSH-2.0-x\r\n"), "HTTP/1.1 200 OK\r\nX: " + huge + huge,
          head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", head + "\r\n" + huge,
          head + "Content-Length: 99999999999\r\n\r\n" + huge,
          std::string("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:") + huge}) {
      CAPTURE(bytes.substr(0, 80));
      Asking a(1);
      a.begin();
      a.send("a", bytes);
      CHECK(a.answer().outcome == Outcome::unavailable);
      CHECK(a.closed("a"));
    }
  }

  TEST_CASE("a connection that breaks leaves the question open") {
    Asking a(2);
    a.begin();
    a.doors.pipes.at("a")->far->reset();
    a.doors.pipes.at("b")->far->shutdown_write();
    a.pump();
    CHECK(a.answer().outcome == Outcome::unavailable);
  }

  TEST_CASE("cancelled in the middle it closes its connections and counts no longer") {
    Asking a(3);
    a.doors.hanging = {"c"};
    a.begin();
    a.claim("a");
    CHECK(a.asker.asking() == 1);
    a.asked->cancel();
    CHECK(a.asker.asking() == 0);
    CHECK(a.closed("b"));
    a.pass(limits::ask_time * 2);
    CHECK_FALSE(a.asked->done());
  }

  TEST_CASE("cancelled between a verdict and the turn that tells it, nothing is told") {
    Asking a(2);
    a.begin();
    a.doors.pipes.at("a")->far->post("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    a.doors.pipes.at("a")->pump();
    CHECK_FALSE(a.turns.empty());
    a.asked->cancel();
    CHECK(a.turns.empty());
  }

  TEST_CASE("a large pool is asked in portions, and that is counted") {
    const std::uint64_t hits = limit_hits(Limit::asked_backends);
    Asking a(limits::asked_backends_max + 2);
    a.begin();
    CHECK(limit_hits(Limit::asked_backends) == hits + 1);
    CHECK(a.doors.connecting == limits::asked_backends_max);
    a.reply("a", "404 Not Found");
    CHECK(a.doors.connecting == limits::asked_backends_max + 1);
    for (int i = 1; i < 26; ++i)
      a.reply(std::string(1, static_cast<char>('a' + i)), "404 Not Found");
    CHECK(a.doors.connecting == limits::asked_backends_max + 2);
    a.claim("b" + std::to_string(limits::asked_backends_max + 1));
    a.pass(limits::ask_grace + milliseconds(32));
    CHECK(a.answer().outcome == Outcome::owner);
  }

  TEST_CASE("a large pool of which nobody is there is asked to its end") {
    Asking a(3 * limits::asked_backends_max);
    for (const cluster::Backend* backend : a.backends.all)
      a.doors.errors.emplace(backend->name(), refused);
    a.begin();
    CHECK(a.answer().outcome == Outcome::unknown);
  }

  TEST_CASE("askings of one worker are bounded, and one too many is counted") {
    Asking a(1);
    std::vector<test::Running<Answer>> askings;
    for (std::size_t i = 0; i < limits::asks_max; ++i)
      askings.push_back(test::run(a.asker.ask(a.doors, a.backends.all, a.question)));
    CHECK(a.asker.asking() == limits::asks_max);
    const std::uint64_t hits = limit_hits(Limit::asks);
    a.begin();
    CHECK(a.answer().outcome == Outcome::overloaded);
    CHECK(limit_hits(Limit::asks) == hits + 1);
    askings.pop_back();
    a.asked.reset();
    a.begin();
    CHECK_FALSE(a.asked->done());
  }
}
