// A DNS server on the loop of the test, over UDP and TCP, that says what a test tells it to.
//
//   test::DnsServer server(loop);
//   server.zone["mcp.test"] = {test::a("10.0.0.1"), test::aaaa("2001:db8::1")};
//   net::DnsClient client(loop, {{server.address()}});
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"

#include "net/socket_poller.hpp"

namespace mcplb::test {

struct DnsRecord {
  std::uint16_t type = 0;
  std::string data;
};
DnsRecord a(const std::string& address);
DnsRecord aaaa(const std::string& address);

struct DnsTarget {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  std::string name;
};
DnsRecord srv(const DnsTarget& target);

struct DnsQuestion {
  std::string name;  // in lower case
  std::uint16_t type = 0;
  std::string id;     // the two bytes of the query
  std::string bytes;  // the question as it came
};

constexpr std::uint16_t type_a = 1;
constexpr std::uint16_t type_aaaa = 28;
constexpr std::uint16_t type_srv = 33;

class DnsServer final : private net::PolledSocket::Owner {
 public:
  enum class Rcode : std::uint8_t { ok = 0, failed = 2, unknown = 3, refused = 5 };

  explicit DnsServer(net::Loop& loop);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // How often names of this type were asked, over UDP.
  int asked(std::uint16_t type) const;
  // What a right answer with these records looks like; `flags` is added to it.
  static std::string reply(const DnsQuestion& question, Rcode rcode,
                           const std::vector<DnsRecord>& records, std::uint16_t flags = 0);
  static constexpr std::uint16_t truncated = 0x0200;

  // Names that are not here do not exist; those without records of a type have none.
  std::map<std::string, std::vector<DnsRecord>> zone;
  // Replaces the answers over UDP; an empty one is silence.
  std::function<std::string(const DnsQuestion&)> answer;

  std::string usual_answer(const DnsQuestion& question) const;

 private:
  class TcpClient;

  void on_ready() override;

  net::Loop& loop_;
  std::uint16_t port_ = 0;
  std::map<std::uint16_t, int> asked_;
  net::OwnedSocket socket_;
  std::unique_ptr<net::Acceptor> acceptor_;
  Nursery nursery_;
};

}  // namespace mcplb::test
