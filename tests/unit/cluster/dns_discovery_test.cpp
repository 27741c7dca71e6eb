#include "mcplb/cluster/dns_discovery.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

#include "support/fake_clock.hpp"
#include "support/manual_defer_queue.hpp"

using namespace mcplb;
using namespace mcplb::cluster;

namespace {

// Says at once what the test has put there.
class FakeDns final : public net::Dns {
 public:
  Task<Result<net::DnsAnswer>> addresses(std::string name, Deadline until) override {
    asked.push_back("addresses " + name);
    co_return answer_by(until);
  }
  Task<Result<net::DnsAnswer>> services(std::string name, Deadline until) override {
    asked.push_back("services " + name);
    co_return answer_by(until);
  }

  void say(const std::vector<std::string>& addresses) {
    answer = net::DnsAnswer();
    for (const std::string& address : addresses)
      add(address, 0, 0);
  }
  void add(const std::string& address, std::uint16_t port, std::uint16_t weight) {
    answer->endpoints.push_back({*net::Address::from_ip(address, port), weight});
  }
  void fail() {
    answer = Error{Error::Kind::unreachable, Error::Side::backend, 0, "DNS does not answer"};
  }

  Result<net::DnsAnswer> answer = net::DnsAnswer();
  std::vector<std::string> asked;
  Deadline deadline = Deadline::never();

 private:
  Result<net::DnsAnswer> answer_by(Deadline until) {
    deadline = until;
    return answer;
  }
};

DnsSettings named(const std::string& host) {
  DnsSettings settings;
  settings.host = host;
  settings.port = 3000;
  settings.refresh = milliseconds(1000);
  return settings;
}

// One entry's discovery, and the lists that it has told.
struct World {
  explicit World(DnsSettings given = named("mcp.test")) : settings(std::move(given)) {}

  void start() {
    nursery.spawn(std::make_unique<DnsDiscovery>(
        clock.timers(), dns, "default", settings,
        [this](const std::vector<BackendSettings>& backends) { told.push_back(backends); }));
  }
  // Long enough for the next look-up, too short for two.
  void refresh() { clock.advance(milliseconds(1130)); }
  std::string last() const {
    std::string out;
    if (told.empty()) return "nothing";
    for (const BackendSettings& backend : told.back()) {
      if (!out.empty()) out += ' ';
      out += backend.id + '*' + std::to_string(backend.weight);
    }
    return out;
  }

  test::FakeClock clock;
  FakeDns dns;
  DnsSettings settings;
  std::vector<std::vector<BackendSettings>> told;
  test::ManualDeferQueue queue;
  Nursery nursery{queue};
};

}  // namespace

TEST_SUITE("cluster/dns_discovery") {
  TEST_CASE("asks at once, and tells every address as a backend, in a fixed order") {
    World w;
    w.dns.say({"10.0.0.2", "10.0.0.1", "2001:db8::1"});
    w.start();
    CHECK(w.dns.asked == std::vector<std::string>{"addresses mcp.test"});
    CHECK(w.dns.deadline.when() == w.clock.now() + limits::dns_refresh.count());
    CHECK(w.last() == "10.0.0.1:3000*1 10.0.0.2:3000*1 [2001:db8::1]:3000*1");
    const BackendSettings& v6 = w.told.back()[2];
    CHECK(v6.host == "2001:db8::1");
    CHECK(v6.port == 3000);
  }

  TEST_CASE("a backend has the weight and TLS of its entry, and the name for its certificate") {
    DnsSettings settings = named("mcp.test");
    settings.weight = 7;
    settings.https = true;
    settings.tls.ca = "ca.pem";
    World w(settings);
    w.dns.say({"10.0.0.1"});
    w.start();
    REQUIRE(w.told.size() == 1);
    const BackendSettings& backend = w.told[0][0];
    CHECK(backend.weight == 7);
    CHECK(backend.https);
    CHECK(backend.tls.ca == "ca.pem");
    CHECK(backend.tls_name == "mcp.test");
  }

  TEST_CASE("tells once per change, not once per answer or order of answers") {
    World w;
    w.dns.say({"10.0.0.1", "10.0.0.2"});
    w.start();
    w.dns.say({"10.0.0.2", "10.0.0.1", "10.0.0.2"});
    w.refresh();
    CHECK(w.dns.asked.size() == 2);
    CHECK(w.told.size() == 1);
    w.dns.say({"10.0.0.3"});
    w.refresh();
    CHECK(w.told.size() == 2);
    CHECK(w.last() == "10.0.0.3:3000*1");
  }

  TEST_CASE("look-ups are a refresh apart, give or take a tenth") {
    World w;
    w.start();
    for (std::size_t asked = 1; asked < 50; ++asked) {
      CHECK(w.dns.asked.size() == asked);
      const TimePoint before = w.clock.now();
      while (w.dns.asked.size() == asked && w.clock.now() < before + 1500)
        w.clock.advance(milliseconds(1));
      const TimePoint waited = w.clock.now() - before;
      CHECK(waited >= 900);
      CHECK(waited <= 1100 + 16);
    }
  }

  TEST_CASE("DNS that does not answer changes nothing, for as long as it lasts") {
    World w;
    w.dns.say({"10.0.0.1"});
    w.start();
    w.dns.fail();
    for (int i = 0; i < 20; ++i) w.refresh();
    CHECK(w.told.size() == 1);
    w.dns.say({"10.0.0.1", "10.0.0.2"});
    w.refresh();
    CHECK(w.last() == "10.0.0.1:3000*1 10.0.0.2:3000*1");
  }

  TEST_CASE("an empty answer counts when it comes twice in a row") {
    World w;
    w.dns.say({"10.0.0.1"});
    w.start();
    w.dns.say({});
    w.refresh();
    CHECK(w.told.size() == 1);
    SUBCASE("then all are gone, once") {
      w.refresh();
      CHECK(w.told.size() == 2);
      CHECK(w.last() == "");
      w.refresh();
      CHECK(w.told.size() == 2);
    }
    SUBCASE("a failure in between says nothing") {
      w.dns.fail();
      w.refresh();
      w.dns.say({});
      w.refresh();
      CHECK(w.told.size() == 1);
      w.refresh();
      CHECK(w.told.size() == 2);
    }
    SUBCASE("an address in between ends the doubt") {
      w.dns.say({"10.0.0.1"});
      w.refresh();
      w.dns.say({});
      w.refresh();
      CHECK(w.told.size() == 1);
    }
  }

  TEST_CASE("a name without addresses from the start is told once, when that is sure") {
    World w;
    w.start();
    CHECK(w.told.empty());
    w.refresh();
    w.refresh();
    CHECK(w.told.size() == 1);
    CHECK(w.last() == "");
    w.dns.say({"10.0.0.1"});
    w.refresh();
    CHECK(w.last() == "10.0.0.1:3000*1");
  }

  TEST_CASE("addresses of a family that was not answered for stay") {
    World w;
    w.dns.say({"10.0.0.1", "2001:db8::1"});
    w.start();
    w.dns.say({"10.0.0.2"});
    w.dns.answer->v6_known = false;
    w.refresh();
    CHECK(w.last() == "10.0.0.2:3000*1 [2001:db8::1]:3000*1");
    w.dns.say({"2001:db8::2"});
    w.dns.answer->v4_known = false;
    w.refresh();
    CHECK(w.last() == "10.0.0.2:3000*1 [2001:db8::2]:3000*1");
  }

  TEST_CASE("a name that begins with _ is a service: its records bring ports and weights") {
    World w(named("_http._tcp.mcp.test"));
    w.dns.say({});
    w.dns.add("10.0.0.1", 3001, 0);
    w.dns.add("10.0.0.1", 3002, 5);
    w.dns.add("10.0.0.2", 3001, 65535);
    w.start();
    CHECK(w.dns.asked == std::vector<std::string>{"services _http._tcp.mcp.test"});
    CHECK(w.last() == "10.0.0.1:3001*1 10.0.0.1:3002*5 10.0.0.2:3001*100");
    CHECK(w.told[0][0].tls_name == "mcp.test");
    CHECK(w.told[0][1].port == 3002);
    w.dns.say({});
    w.dns.add("10.0.0.1", 3001, 9);
    w.refresh();
    CHECK(w.last() == "10.0.0.1:3001*9");
  }

  TEST_CASE("a discovery that is cancelled asks no more") {
    World w;
    w.dns.say({"10.0.0.1"});
    Job& job = w.nursery.spawn(std::make_unique<DnsDiscovery>(
        w.clock.timers(), w.dns, "default", w.settings, [](const auto&) {}));
    w.nursery.cancel_soon(job);
    w.queue.run();
    w.refresh();
    CHECK(w.dns.asked.size() == 1);
    CHECK(w.nursery.empty());
  }
}
