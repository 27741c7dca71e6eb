#include "demo/demo.hpp"

#include <set>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/net/tcp.hpp"
#include "mcplb/wire/call.hpp"

#include "support/run_task.hpp"

namespace mcplb::demo {
namespace {

Task<std::string> health_of(net::Loop& loop, std::uint16_t port) {
  const auto address = net::Address::from_ip("127.0.0.1", port);
  const Deadline deadline = loop.timers().in(milliseconds(5000));
  auto stream = co_await net::connect(loop, *address, deadline);
  if (!stream) co_return "";
  const std::string request = "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  auto reply = co_await wire::call(**stream, request, http::Method::get, 1000, deadline);
  co_return reply ? reply->body : "";
}

std::uint16_t port_of(const std::string& url) {
  return static_cast<std::uint16_t>(*parse_decimal(url.substr(url.rfind(':') + 1)));
}

TEST_SUITE("demo/demo") {
  TEST_CASE("three servers answer at their own addresses, in the order of their names") {
    auto servers = DemoServers::start();
    REQUIRE(servers);
    const auto urls = (*servers)->urls();
    CHECK(std::set<std::string>(urls.begin(), urls.end()).size() == 3);
    net::Loop loop(limits::buffer_block_bytes);
    int number = 0;
    for (const std::string& url : urls) {
      CHECK(url.starts_with("http://127.0.0.1:"));
      const std::string health = test::run_on(loop, health_of(loop, port_of(url)));
      CHECK(health.find("replica-" + std::to_string(++number)) != std::string::npos);
    }
  }

  TEST_CASE("the guide names the addresses that it is given") {
    const std::string guide = demo_guide("127.0.0.1:8080", "127.0.0.1:9180");
    CHECK(guide.find("http://127.0.0.1:8080/mcp") != std::string::npos);
    CHECK(guide.find("http://127.0.0.1:9180/health") != std::string::npos);
    CHECK(guide.find("MAIN") == std::string::npos);
    CHECK(guide.find("ADMIN") == std::string::npos);
  }
}

}  // namespace
}  // namespace mcplb::demo
