#include "mcplb/tracing/target.hpp"

#include <algorithm>
#include <map>
#include <string>

#include <doctest/doctest.h>

namespace mcplb::tracing {
namespace {

using Variables = std::map<std::string, std::string>;

Resolved resolved(const Variables& variables, const std::string& endpoint = "") {
  Settings settings;
  settings.otlp_endpoint = endpoint;
  const Environment environment = [&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
  return resolve(settings, environment, "here");
}

std::string url_of(const Resolved& found) {
  return found.target ? found.target->endpoint.text() : "off";
}

std::string value_of(const std::vector<Pair>& pairs, const std::string& key) {
  const auto found =
      std::find_if(pairs.begin(), pairs.end(), [&](const Pair& each) { return each.first == key; });
  return found == pairs.end() ? "" : found->second;
}

const std::string base = "OTEL_EXPORTER_OTLP_ENDPOINT";
const std::string traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

}  // namespace

TEST_SUITE("tracing/target") {
  TEST_CASE("who names no endpoint is not traced") {
    CHECK(url_of(resolved({})) == "off");
    CHECK(url_of(resolved({{base, " "}})) == "off");
    CHECK(resolved({}).notes.empty());
    CHECK(!resolve({}, {}, "here").target);
  }

  TEST_CASE("the path of traces is added to a base, and to nothing else") {
    CHECK(url_of(resolved({{base, "http://c:4318"}})) == "http://c:4318/v1/traces");
    CHECK(url_of(resolved({{base, "http://c:4318/"}})) == "http://c:4318/v1/traces");
    CHECK(url_of(resolved({{base, "https://c/otlp/"}})) == "https://c:443/otlp/v1/traces");
    CHECK(url_of(resolved({{base, "http://c:1/v1/traces"}})) == "http://c:1/v1/traces");
    CHECK(url_of(resolved({{traces, "http://c:4318/"}})) == "http://c:4318/");
    CHECK(url_of(resolved({{traces, "http://c"}})) == "http://c:80/");
    CHECK(url_of(resolved({}, "http://c:4318")) == "http://c:4318/v1/traces");
  }

  TEST_CASE("the key wins over the environment, and traces over all signals") {
    const Variables both{{base, "http://base:1"}, {traces, "http://own:2/x"}};
    CHECK(url_of(resolved(both)) == "http://own:2/x");
    CHECK(resolved(both).source == traces);
    CHECK(url_of(resolved(both, "http://key:3")) == "http://key:3/v1/traces");
    CHECK(resolved(both, "http://key:3").source == "tracing.otlp_endpoint");
  }

  TEST_CASE("a query is kept where the URL is used as it is, and not shown") {
    const Resolved found = resolved({{traces, "https://c/t?token=hunter2"}});
    REQUIRE(found.target);
    CHECK(found.target->endpoint.target == "/t?token=hunter2");
    CHECK(url_of(found) == "https://c:443/t");
  }

  TEST_CASE("a URL that cannot be used turns tracing off and is not repeated") {
    for (const std::string wrong :
         {"c:4318", "grpc://c", "http://", "http://c:0", "http://c:x", "http://[::1", "http://[c]",
          "http://[::1]x:1", "http://me:hunter2@c", "http://c/#f", "http://c/?q", "http://a b"}) {
      CAPTURE(wrong);
      const Resolved found = resolved({{base, wrong}});
      CHECK(url_of(found) == "off");
      REQUIRE(found.notes.size() == 1);
      CHECK(found.notes[0].find(base) == 0);
      CHECK(found.notes[0].find("tracing is off") != std::string::npos);
      CHECK(found.notes[0].find("hunter2") == std::string::npos);
    }
  }

  TEST_CASE("addresses of IPv6 have brackets in URLs only") {
    const Resolved found = resolved({{base, "http://[::1]:4318"}});
    REQUIRE(found.target);
    CHECK(found.target->endpoint.host == "::1");
    CHECK(found.target->endpoint.authority() == "[::1]:4318");
  }

  TEST_CASE("the SDK's switch turns everything off") {
    CHECK(url_of(resolved({{"OTEL_SDK_DISABLED", "TRUE"}, {base, "http://c"}})) == "off");
    const Resolved asked = resolved({{"OTEL_SDK_DISABLED", "true"}}, "http://c");
    CHECK(url_of(asked) == "off");
    CHECK(asked.notes.size() == 1);
    CHECK(url_of(resolved({{"OTEL_SDK_DISABLED", "no"}, {base, "http://c"}})) != "off");
    CHECK(url_of(resolved({{"OTEL_TRACES_EXPORTER", "none"}, {base, "http://c"}})) == "off");
    CHECK(url_of(resolved({{"OTEL_TRACES_EXPORTER", "none"}}, "http://c")) != "off");
  }

  TEST_CASE("an environment for gRPC is told what to do instead") {
    const Variables grpc{{base, "http://c:4317"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}};
    const Resolved found = resolved(grpc);
    CHECK(url_of(found) == "off");
    REQUIRE(found.notes.size() == 1);
    CHECK(found.notes[0].find("OTEL_EXPORTER_OTLP_PROTOCOL=grpc") == 0);
    CHECK(found.notes[0].find("4318") != std::string::npos);
    CHECK(url_of(resolved(grpc, "http://c:4318")) == "http://c:4318/v1/traces");
    CHECK(resolved(grpc, "http://c:4318").notes.size() == 1);
    Variables overruled = grpc;
    overruled["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf";
    CHECK(url_of(resolved(overruled)) != "off");
  }

  TEST_CASE("headers are decoded, and none of ours is replaced") {
    const Resolved found = resolved(
        {{base, "http://c"},
         {"OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b%3D, api = v=1 ,Host=evil,b ad=1"}});
    REQUIRE(found.target);
    CHECK(value_of(found.target->headers, "x-key") == "a b=");
    CHECK(value_of(found.target->headers, "api") == "v=1");
    CHECK(found.target->headers.size() == 2);
    CHECK(found.notes.size() == 2);
  }

  TEST_CASE("a list that could smuggle lines, or is none, is ignored as a whole") {
    for (const std::string wrong : {"a=%0d%0aX: 1", "a", "=1", "a=%zz", "a=%2"}) {
      CAPTURE(wrong);
      const Resolved found = resolved({{base, "http://c"}, {"OTEL_EXPORTER_OTLP_HEADERS", wrong}});
      REQUIRE(found.target);
      CHECK(found.target->headers.empty());
      CHECK(found.notes.size() == 1);
    }
  }

  TEST_CASE("the resource says who we are, and the environment knows better") {
    const Resolved usual = resolved({{base, "http://c"}});
    REQUIRE(usual.target);
    CHECK(value_of(usual.target->resource, "service.name") == "mcplb");
    CHECK(value_of(usual.target->resource, "service.version") == MCPLB_VERSION);
    CHECK(value_of(usual.target->resource, "service.instance.id") == "here");
    Variables variables{{base, "http://c"},
                        {"OTEL_RESOURCE_ATTRIBUTES", "service.name=edge,team=a%20b"}};
    const Resolved named = resolved(variables);
    CHECK(value_of(named.target->resource, "service.name") == "edge");
    CHECK(value_of(named.target->resource, "team") == "a b");
    variables["OTEL_SERVICE_NAME"] = "front";
    CHECK(value_of(resolved(variables).target->resource, "service.name") == "front");
  }

  TEST_CASE("certificates and the timeout come from the environment, too") {
    const Resolved found = resolved({{base, "https://c"},
                                     {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/all.pem"},
                                     {"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/ca.pem"},
                                     {"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"}});
    REQUIRE(found.target);
    CHECK(found.target->tls.ca == "/ca.pem");
    CHECK(found.target->timeout == milliseconds(2500));
    const Resolved wrong = resolved({{base, "http://c"}, {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s"}});
    CHECK(wrong.target->timeout == limits::span_export);
    CHECK(wrong.notes.size() == 1);
  }
}

}  // namespace mcplb::tracing
