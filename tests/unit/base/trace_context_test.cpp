#include "mcplb/base/trace_context.hpp"

#include <doctest/doctest.h>

#include <string>

#include "mcplb/base/limits.hpp"

namespace mcplb {
namespace {

const std::string trace = "0af7651916cd43dd8448eb211c80319c";
const std::string span = "b7ad6b7169203331";

std::string written(const TraceContext& context) {
  std::string out;
  append_traceparent(out, context);
  return out;
}

std::string members(std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i)
    out += (i == 0 ? "k" : ",k") + std::to_string(i) + "=v";
  return out;
}

}  // namespace

TEST_SUITE("base/trace_context") {
  TEST_CASE("a traceparent is read and written as it came") {
    const std::string text = "00-" + trace + "-" + span + "-01";
    const auto context = parse_traceparent(text);
    REQUIRE(context);
    CHECK(context->sampled());
    CHECK(to_hex(context->trace) == trace);
    CHECK(to_hex(context->span) == span);
    CHECK(written(*context) == text);
    CHECK(written(*context).size() == traceparent_bytes);
  }

  TEST_CASE("only the flags that have a meaning are kept") {
    const auto context = parse_traceparent("00-" + trace + "-" + span + "-fe");
    REQUIRE(context);
    CHECK(!context->sampled());
    CHECK(context->flags == TraceContext::random_flag);
  }

  TEST_CASE("a traceparent that breaks the format is none") {
    const std::string cases[] = {
        "",
        "00-" + trace + "-" + span,
        "00-" + trace + "-" + span + "-0",
        "00-" + trace + "-" + span + "-01-",
        "00-" + trace + "-" + span + "-01.",
        "00-" + trace + "-" + span + "-01-what-the-future-holds",
        "00-" + trace + "-" + span + "-1g",
        "00-0AF7651916CD43DD8448EB211C80319C-" + span + "-01",
        "00-" + trace + "-B7AD6B7169203331-01",
        "00-" + std::string(32, '0') + "-" + span + "-01",
        "00-" + trace + "-" + std::string(16, '0') + "-01",
        "ff-" + trace + "-" + span + "-01",
        "ff-" + trace + "-" + span + "-01-more",
        "0x-" + trace + "-" + span + "-01",
        "0-" + trace + "-" + span + "-011",
        "00_" + trace + "-" + span + "-01",
        "00-" + trace + "_" + span + "-01",
        "00-" + trace + "-" + span + "_01",
        "00-" + trace.substr(1) + "--" + span + "-01",
        " 00-" + trace + "-" + span + "-01",
        "00-" + trace + "-" + span + "-01,00-" + trace + "-" + span + "-01",
    };
    for (const std::string& text : cases) {
      CAPTURE(text);
      CHECK(!parse_traceparent(text));
    }
  }

  TEST_CASE("of a later version is read what this one knows") {
    for (const std::string rest : {"", "-", "-what-the-future-will-be-like"}) {
      CAPTURE(rest);
      const auto context = parse_traceparent("cc-" + trace + "-" + span + "-01" + rest);
      REQUIRE(context);
      CHECK(written(*context) == "00-" + trace + "-" + span + "-01");
    }
    CHECK(!parse_traceparent("cc-" + trace + "-" + span + "-01.what-the-future"));
    CHECK(!parse_traceparent("cc-" + trace + "-" + span + "-0"));
  }

  TEST_CASE("a span's id is replaced within a text") {
    std::string text = "x: 00-" + trace + "-" + span + "-01\r\n";
    replace_span_id(text, 3, SpanId{0x1f});
    CHECK(text == "x: 00-" + trace + "-000000000000001f-01\r\n");
  }

  TEST_CASE("a tracestate is passed on within its bounds") {
    CHECK(is_tracestate(""));
    CHECK(is_tracestate("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
    CHECK(is_tracestate("a@b=1 , ,c=2"));
    CHECK(is_tracestate(members(limits::tracestate_members_max)));
    CHECK(!is_tracestate(members(limits::tracestate_members_max + 1)));
    CHECK(is_tracestate("k=" + std::string(limits::tracestate_bytes_max - 2, 'v')));
    CHECK(!is_tracestate("k=" + std::string(limits::tracestate_bytes_max - 1, 'v')));
    CHECK(!is_tracestate("k"));
    CHECK(!is_tracestate("=v"));
    CHECK(!is_tracestate("a=1,b"));
    CHECK(!is_tracestate("k=\xc3\xa9"));
  }

  TEST_CASE("new ids are neither none nor each other") {
    const TraceId one = new_trace_id();
    CHECK(one);
    CHECK(!(one == new_trace_id()));
    CHECK(new_span_id() != SpanId::none);
    CHECK(new_span_id() != new_span_id());
  }

  TEST_CASE("a ratio of all or nothing leaves nothing to chance") {
    const TraceId least{1, 0};
    const TraceId most{1, ~std::uint64_t{0}};
    CHECK(is_sampled(least, 1'000'000));
    CHECK(!is_sampled(most, 0));
    CHECK(!is_sampled(least, 999'999));
    CHECK(is_sampled(most, 1));
  }

  TEST_CASE("who records more records what others do, and about as much as the ratio says") {
    int tenth = 0;
    int half = 0;
    bool nested = true;
    for (int i = 0; i < 10'000; ++i) {
      const TraceId id = new_trace_id();
      const bool few = is_sampled(id, 100'000);
      const bool many = is_sampled(id, 500'000);
      tenth += few ? 1 : 0;
      half += many ? 1 : 0;
      nested = nested && (many || !few);
    }
    CHECK(nested);
    CHECK(tenth > 800);
    CHECK(tenth < 1200);
    CHECK(half > 4700);
    CHECK(half < 5300);
  }
}

}  // namespace mcplb
