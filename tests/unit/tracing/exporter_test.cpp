#include "mcplb/tracing/exporter.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "mcplb/base/limits.hpp"

#include "support/fake_clock.hpp"
#include "support/pipe_stream.hpp"
#include "support/run_task.hpp"

namespace mcplb::tracing {
namespace {

// A collector that a test plays: one pipe for each connection.
class PlayedCollector final : public Connector {
 public:
  explicit PlayedCollector(test::FakeClock& clock) : clock_(clock) {}

  Task<Result<std::unique_ptr<net::Stream>>> connect(const Endpoint& endpoint,
                                                     Deadline) override {
    asked.push_back(endpoint.text());
    if (refuses) co_return Error{Error::Kind::refused, Error::Side::backend, 0, "refused"};
    pipes.push_back(std::make_unique<test::Pipe>(clock_.timers(), buffers_));
    std::unique_ptr<net::Stream> near = std::move(pipes.back()->near);
    co_return std::move(near);
  }

  std::string request() {
    std::string all;
    while (!pipes.empty()) {
      pipes.back()->pump();
      const std::string part = pipes.back()->far->take();
      if (part.empty()) break;
      all += part;
    }
    return all;
  }
  void reply(const std::string& status, const std::string& body = "{}",
             const std::string& fields = "") {
    pipes.back()->far->post("HTTP/1.1 " + status + "\r\n" + fields +
                            "Content-Type: application/json\r\nContent-Length: " +
                            std::to_string(body.size()) + "\r\n\r\n" + body);
    pipes.back()->pump();
  }

  bool refuses = false;
  std::vector<std::string> asked;

 private:
  test::FakeClock& clock_;
  BufferPool buffers_{limits::buffer_block_bytes};

 public:
  std::vector<std::unique_ptr<test::Pipe>> pipes;
};

Target a_target() {
  Target target;
  target.endpoint = parse_base_endpoint("http://collector:4318").endpoint;
  target.headers = {{"x-key", "k"}};
  target.resource = {{"service.name", "x"}};
  return target;
}

struct Exporting {
  void take(std::size_t spans) {
    for (std::size_t i = 0; i < spans; ++i) exporter.take(Span());
  }
  // How many spans were sent since the last look.
  std::size_t sent() {
    const std::string request = collector.request();
    const std::size_t body = request.find("\r\n\r\n");
    if (body == std::string::npos) return 0;
    const auto json = nlohmann::json::parse(request.substr(body + 4));
    return json["resourceSpans"][0]["scopeSpans"][0]["spans"].size();
  }
  void wait_for_batch() { clock.advance(limits::span_batch_wait + 2 * limits::span_look); }

  test::FakeClock clock;
  PlayedCollector collector{clock};
  Exporter exporter{clock.timers(), collector, a_target()};
  test::Running<test::Ended> running = test::run(exporter.run());
  const ExportCounts& counts = exporter.counts();
};

}  // namespace

TEST_SUITE("tracing/exporter") {
  TEST_CASE("spans are sent together, when the first has waited for long enough") {
    Exporting exporting;
    exporting.take(3);
    exporting.clock.advance(limits::span_batch_wait / 2);
    CHECK(exporting.collector.asked.empty());
    exporting.take(2);
    exporting.wait_for_batch();
    REQUIRE(exporting.collector.asked.size() == 1);
    CHECK(exporting.collector.asked[0] == "http://collector:4318/v1/traces");
    CHECK(exporting.sent() == 5);
    exporting.collector.reply("200 OK");
    CHECK(exporting.counts.exported.value() == 5);
    exporting.wait_for_batch();
    CHECK(exporting.collector.asked.size() == 1);
  }

  TEST_CASE("the request says what it is and carries the operator's headers") {
    Exporting exporting;
    exporting.take(1);
    exporting.wait_for_batch();
    const std::string request = exporting.collector.request();
    CHECK(request.starts_with("POST /v1/traces HTTP/1.1\r\nHost: collector:4318\r\n"));
    CHECK(request.find("\r\nContent-Type: application/json\r\n") != std::string::npos);
    CHECK(request.find("\r\nx-key: k\r\n") != std::string::npos);
  }

  TEST_CASE("a full batch does not wait, and what is more than one goes in several") {
    Exporting exporting;
    exporting.take(limits::span_batch_max + 1);
    exporting.clock.advance(2 * limits::span_look);
    CHECK(exporting.sent() == limits::span_batch_max);
    exporting.collector.reply("200 OK");
    exporting.wait_for_batch();
    CHECK(exporting.sent() == 1);
    CHECK(exporting.collector.asked.size() == 2);
  }

  TEST_CASE("what comes while a batch is under way is sent behind it, within the same bound") {
    Exporting exporting;
    exporting.take(3 * limits::span_batch_max);
    exporting.clock.advance(2 * limits::span_look);
    CHECK(exporting.sent() == limits::span_batch_max);
    const std::size_t room = limits::spans_queued_max - 2 * limits::span_batch_max;
    exporting.take(room + 1);
    CHECK(exporting.counts.dropped.value() == 1);
    std::size_t sent = 0;
    for (std::size_t i = 0; i < limits::spans_queued_max / limits::span_batch_max; ++i) {
      exporting.collector.reply("200 OK");
      exporting.wait_for_batch();
      sent += exporting.sent();
    }
    exporting.collector.reply("200 OK");
    CHECK(sent == limits::spans_queued_max);
    CHECK(exporting.counts.exported.value() == limits::spans_queued_max + limits::span_batch_max);
  }

  TEST_CASE("beyond the queue's bound spans are dropped and counted") {
    Exporting exporting;
    const std::uint64_t hits = limit_hits(Limit::spans);
    exporting.take(limits::spans_queued_max + 3);
    CHECK(exporting.counts.dropped.value() == 3);
    CHECK(limit_hits(Limit::spans) == hits + 3);
  }

  TEST_CASE("every span that any thread hands over is counted once") {
    constexpr std::size_t each = 4000;
    Exporting exporting;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&] { exporting.take(each); });
    std::size_t sent = 0;
    const auto serve = [&] {
      exporting.clock.advance(2 * limits::span_look);
      const std::size_t spans = exporting.sent();
      if (spans > 0) exporting.collector.reply("200 OK");
      sent += spans;
    };
    for (int i = 0; i < 3; ++i) serve();
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < 60; ++i) serve();
    CHECK(exporting.counts.exported.value() == sent);
    CHECK(sent + exporting.counts.dropped.value() == 3 * each);
  }

  TEST_CASE("a collector that is busy is asked again, after the time that it names") {
    for (const char* status : {"429 X", "502 X", "503 X", "504 X"}) {
      CAPTURE(status);
      Exporting exporting;
      exporting.take(2);
      exporting.wait_for_batch();
      CHECK(exporting.sent() == 2);
      exporting.collector.reply(status, "{}", "Retry-After: 7\r\n");
      exporting.clock.advance(milliseconds(6900));
      CHECK(exporting.collector.asked.size() == 1);
      exporting.clock.advance(milliseconds(200));
      REQUIRE(exporting.collector.asked.size() == 2);
      CHECK(exporting.sent() == 2);
      exporting.collector.reply("200 OK");
      CHECK(exporting.counts.exported.value() == 2);
      CHECK(exporting.counts.dropped.value() == 0);
    }
  }

  TEST_CASE("one that is away is asked a few times, each time later, and then given up") {
    Exporting exporting;
    exporting.collector.refuses = true;
    exporting.take(2);
    exporting.wait_for_batch();
    exporting.clock.advance(limits::span_backoff_min + limits::span_look);
    CHECK(exporting.collector.asked.size() == 2);
    exporting.clock.advance(milliseconds(60'000));
    CHECK(exporting.collector.asked.size() == limits::span_tries);
    CHECK(exporting.counts.dropped.value() == 2);
    CHECK(exporting.counts.failed_batches.value() == 1);
    exporting.collector.refuses = false;
    exporting.take(1);
    exporting.wait_for_batch();
    CHECK(exporting.sent() == 1);
    exporting.collector.reply("200 OK");
    CHECK(exporting.counts.exported.value() == 1);
  }

  TEST_CASE("a connection that breaks, or stays silent, is a failure that passes") {
    Exporting exporting;
    exporting.take(1);
    exporting.wait_for_batch();
    CHECK(exporting.sent() == 1);
    exporting.collector.pipes.back()->far->reset();
    exporting.collector.pipes.back()->pump();
    exporting.clock.advance(limits::span_backoff_min + limits::span_look);
    REQUIRE(exporting.collector.asked.size() == 2);
    exporting.clock.advance(limits::span_export + 2 * limits::span_backoff_min +
                            limits::span_look);
    CHECK(exporting.collector.asked.size() == 3);
    exporting.collector.request();
    exporting.collector.reply("200 OK");
    CHECK(exporting.counts.exported.value() == 1);
  }

  TEST_CASE("a refusal is final") {
    for (const char* status : {"400 X", "401 X", "404 X", "413 X", "500 X", "301 X"}) {
      CAPTURE(status);
      Exporting exporting;
      exporting.take(2);
      exporting.wait_for_batch();
      CHECK(exporting.sent() == 2);
      exporting.collector.reply(status, R"({"message":"no"})");
      exporting.clock.advance(milliseconds(60'000));
      CHECK(exporting.collector.asked.size() == 1);
      CHECK(exporting.counts.dropped.value() == 2);
      CHECK(exporting.counts.failed_batches.value() == 1);
    }
  }

  TEST_CASE("spans that a collector rejects are dropped ones, and never more than were sent") {
    Exporting exporting;
    exporting.take(3);
    exporting.wait_for_batch();
    CHECK(exporting.sent() == 3);
    exporting.collector.reply("200 OK", R"({"partialSuccess":{"rejectedSpans":"2"}})");
    CHECK(exporting.counts.exported.value() == 1);
    CHECK(exporting.counts.dropped.value() == 2);
    exporting.take(1);
    exporting.wait_for_batch();
    CHECK(exporting.sent() == 1);
    exporting.collector.reply("200 OK", R"({"partialSuccess":{"rejectedSpans":"99"}})");
    CHECK(exporting.counts.dropped.value() == 3);
    CHECK(exporting.counts.failed_batches.value() == 0);
  }

  TEST_CASE("a reply without end does not count against the spans that it took") {
    Exporting exporting;
    exporting.take(1);
    exporting.wait_for_batch();
    CHECK(exporting.sent() == 1);
    exporting.collector.reply("200 OK", std::string(limits::span_reply_bytes_max + 1, ' '));
    CHECK(exporting.counts.exported.value() == 1);
  }

  TEST_CASE("a process that ends sends what it has, at once") {
    Exporting exporting;
    exporting.take(2);
    auto flushing = test::run(exporting.exporter.flush(exporting.clock.in(milliseconds(2000))));
    exporting.clock.advance(2 * limits::span_look);
    CHECK(exporting.sent() == 2);
    CHECK(!flushing.done());
    exporting.collector.reply("200 OK");
    exporting.clock.advance(limits::span_look);
    CHECK(flushing.done());
    CHECK(exporting.counts.exported.value() == 2);
  }

  TEST_CASE("a batch that waits for its next attempt gets one more when the process ends") {
    Exporting exporting;
    exporting.take(1);
    exporting.wait_for_batch();
    CHECK(exporting.sent() == 1);
    exporting.collector.reply("503 X", "{}", "Retry-After: 20\r\n");
    auto flushing = test::run(exporting.exporter.flush(exporting.clock.in(milliseconds(2000))));
    exporting.clock.advance(2 * limits::span_look);
    CHECK(exporting.sent() == 1);
    exporting.collector.reply("503 X", "{}", "Retry-After: 20\r\n");
    exporting.clock.advance(2 * limits::span_look);
    CHECK(flushing.done());
    CHECK(exporting.counts.dropped.value() == 1);
  }

  TEST_CASE("a silent collector does not keep a process from ending") {
    Exporting exporting;
    exporting.take(limits::span_batch_max + 4);
    auto flushing = test::run(exporting.exporter.flush(exporting.clock.in(milliseconds(2000))));
    exporting.clock.advance(milliseconds(2100));
    CHECK(flushing.done());
    CHECK(exporting.counts.exported.value() == 0);
    CHECK(exporting.counts.dropped.value() >= 4);
  }

  TEST_CASE("a process that has nothing to send ends at once") {
    Exporting exporting;
    CHECK(test::run(exporting.exporter.flush(exporting.clock.in(milliseconds(2000)))).done());
  }
}

}  // namespace mcplb::tracing
