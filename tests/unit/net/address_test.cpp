#include "mcplb/net/address.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace mcplb;
using net::Address;
using net::Networks;

namespace {

Address ip(std::string_view text, std::uint16_t port = 80) {
  const auto address = Address::from_ip(text, port);
  REQUIRE(address);
  return *address;
}

}  // namespace

TEST_SUITE("net/address") {
  TEST_CASE("shows IPv4, IPv6 and unix addresses as an operator writes them") {
    CHECK(ip("127.0.0.1", 8080).text() == "127.0.0.1:8080");
    CHECK(ip("::1", 8080).text() == "[::1]:8080");
    CHECK(ip("::1").ip_text() == "::1");
    const auto path = Address::from_unix_path("/run/mcplb.sock");
    REQUIRE(path);
    CHECK(path->is_unix());
    CHECK(path->text() == "unix:/run/mcplb.sock");
    CHECK(path->ip_text() == "unix");
    CHECK(path->port() == 0);
  }

  TEST_CASE("an IPv4 client of a dual-stack listener is shown as IPv4") {
    CHECK(ip("::ffff:192.0.2.7", 5).text() == "192.0.2.7:5");
  }

  TEST_CASE("keeps the port") {
    CHECK(ip("127.0.0.1", 65535).port() == 65535);
    CHECK(ip("::1", 0).port() == 0);
    CHECK(Address().port() == 0);
  }

  TEST_CASE("refuses what is not an IP address") {
    for (const char* const text : {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "[::1]",
                                   "1.2.3.4:80", "::g", " 1.2.3.4", "fe80::1%lo"}) {
      CAPTURE(text);
      CHECK_FALSE(Address::from_ip(text, 80));
    }
  }

  TEST_CASE("refuses paths that do not fit a socket address") {
    CHECK_FALSE(Address::from_unix_path(""));
    CHECK_FALSE(Address::from_unix_path(std::string(108, 'x')));
    CHECK(Address::from_unix_path(std::string(107, 'x')));
  }
}

TEST_SUITE("net/networks") {
  TEST_CASE("an empty set contains nobody") {
    const Networks networks;
    CHECK(networks.empty());
    CHECK_FALSE(networks.contains(ip("127.0.0.1")));
  }

  TEST_CASE("contains exactly the addresses under its prefixes") {
    struct Row {
      const char* cidr;
      const char* inside;
      const char* outside;
    };
    const Row rows[] = {{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
                        {"192.168.4.0/22", "192.168.7.255", "192.168.8.0"},
                        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
                        {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
                        {"192.0.2.7/32", "::ffff:192.0.2.7", "::ffff:192.0.2.8"},
                        {"0.0.0.0/0", "8.8.8.8", "2001:db8::1"},
                        {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
                        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
                        {"::1", "::1", "::2"},
                        {"fe80::/10", "febf::1", "fec0::1"}};
    for (const Row& row : rows) {
      CAPTURE(row.cidr);
      Networks networks;
      REQUIRE(networks.add(row.cidr));
      CHECK(networks.contains(ip(row.inside)));
      CHECK_FALSE(networks.contains(ip(row.outside)));
    }
  }

  TEST_CASE("the bits behind the prefix do not matter") {
    Networks networks;
    REQUIRE(networks.add("10.1.2.3/8"));
    CHECK(networks.contains(ip("10.9.9.9")));
  }

  TEST_CASE("contains no unix socket") {
    Networks networks;
    REQUIRE(networks.add("0.0.0.0/0"));
    REQUIRE(networks.add("::/0"));
    CHECK_FALSE(networks.contains(*Address::from_unix_path("/run/x")));
    CHECK_FALSE(networks.contains(Address()));
  }

  TEST_CASE("refuses what is not a network") {
    Networks networks;
    for (const char* const text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1",
                                   "10.0.0.0/8/8", "10.0.0.0/8 ", "example.com", "10/8"}) {
      CAPTURE(text);
      CHECK_FALSE(networks.add(text));
    }
    CHECK(networks.empty());
  }
}
