#include <string>

#include "mcplb/base/assert.hpp"
#include "mcplb/http/parser.hpp"
#include "mcplb/http/settings.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/mcp/sse.hpp"

#include "load/requests.hpp"
#include "micro/measure.hpp"
#include "texts/texts.hpp"

namespace mcplb::bench {
namespace {

constexpr std::uint64_t operations = 20'000;

// A whole request, parsed as far as the classifier needs it.
struct Parsed {
  std::string head_bytes;
  http::RequestHead head;
  std::string body;
};

void parse(const std::string& bytes, Parsed& out) {
  constexpr std::string_view end = "\r\n\r\n";
  const std::size_t size = bytes.find(end) + end.size();
  out.head_bytes = bytes.substr(0, size);
  out.body = bytes.substr(size);
  out.body.reserve(out.body.size() + mcp::Classifier::padding_bytes);
  const auto parsed = http::parse_request_head(out.head_bytes, http::Settings{}, out.head);
  MCPLB_ASSERT(parsed);
}

void measure_classify(Bench& bench, std::string_view name, bool modern, std::size_t extra_bytes) {
  Scenario scenario;
  scenario.url = {"127.0.0.1", 80, "/mcp"};
  scenario.modern = modern;
  Requests requests(scenario);
  Session session;
  if (!modern) session.id = "0123456789abcdef0123456789abcdef";
  MixItem item;
  item.name = "small";
  std::string bytes;
  requests.call(bytes, session, item, 1);
  // Arguments that stand before everything else that is wanted.
  const std::string extra = "\"filler\":\"" + std::string(extra_bytes, 'x') + "\",";
  if (extra_bytes > 0) bytes.insert(bytes.find("\"tag\""), extra);
  Parsed request;
  parse(bytes, request);
  mcp::Classifier classifier;
  mcp::Message message;
  mcp::Refusal refusal;
  const std::uint64_t count = extra_bytes > 0 ? operations / 20 : operations;
  bench.time(name, count, [&](std::uint64_t) {
    message.clear();
    const bool sound = classifier.classify(request.head, request.body, message, refusal);
    MCPLB_ASSERT(sound && message.method == mcp::Method::tools_call);
  });
}

}  // namespace

void measure_mcp(Bench& bench) {
  measure_classify(bench, "mcp/classify a small call", false, 0);
  measure_classify(bench, "mcp/classify a modern call", true, 0);
  measure_classify(bench, "mcp/classify a call of 64 KiB", false, large_bytes);
  std::string events;
  for (int i = 0; i < 10; ++i) append_sse(events, std::string(180, 'x'));
  mcp::SseScanner scanner;
  bench.time("mcp/scan 10 events", operations, [&](std::uint64_t) {
    scanner.feed(events);
    MCPLB_ASSERT(scanner.at_boundary());
  });
}

}  // namespace mcplb::bench
